// Folders of the user's cache that are made once, whole or not at all.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cacheFolder, type Environment } from './programs.ts'

/**
 * The folder `name` of the cache. When it is not there, `make` fills another one (`work`), which is then moved to its
 * place in one step, so that several processes may do this at once; what `make` throws leaves nothing behind.
 */
export async function cachedFolder(
  name: string,
  env: Environment,
  make: (work: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheFolder(env), name)
  if (existsSync(folder)) return folder
  mkdirSync(dirname(folder), { recursive: true })
  const work = mkdtempSync(`${folder}-`)
  try {
    const inner = join(work, 'made')
    mkdirSync(inner)
    await make(inner)
    move(inner, folder)
    return folder
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Somebody else may have been faster; theirs is the same. */
function move(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (!existsSync(to)) throw error
  }
}
