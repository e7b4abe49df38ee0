// How an operator process is started, wherever that is: the same heap in production, in `make cluster` and in tests.
import { join } from 'node:path'

/** The program. */
export const OPERATOR_MAIN = join(import.meta.dirname, '..', 'operator', 'src', 'main.ts')

/**
 * Flags of `node`, in MB and percent. What an operator holds is little beside what it makes and drops while thousands of
 * objects come; without them the heap grows for as long as the machine has memory.
 */
export const OPERATOR_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=8', '--heap-growing-percent=50']
