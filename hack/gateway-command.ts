// How a gateway process is started, wherever that is: the same heap in production, in `make run` and in the bench.
import { join } from 'node:path'

/** The program. */
export const GATEWAY_MAIN = join(import.meta.dirname, '..', 'dataplane', 'src', 'main.ts')

/**
 * Flags of `node`, in MB. Calls in flight survive a collection of the young generation, and copying them is what it costs:
 * a young generation four times the default is collected a quarter as often.
 */
export const GATEWAY_NODE_FLAGS: readonly string[] = ['--min-semi-space-size=64', '--max-semi-space-size=64']
