// Python packages for tests: exactly those of a lock file, installed once into the user's cache.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { cachedFolder } from './cached-folder.ts'
import { cacheFolder, type Environment, run, type Tell, tellOnStderr } from './programs.ts'

/** How long Python may take to say its version, and pip to install. */
const START_SECONDS = 20
const INSTALL_SECONDS = 300

/** What compiled packages are made for. */
const BUILD = 'import sys, sysconfig; print(sys.implementation.cache_tag, sysconfig.get_platform())'

/** Keeps pip from speaking of itself. */
const QUIET_PIP = { PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_ROOT_USER_ACTION: 'ignore' }

/**
 * The folder for PYTHONPATH that holds the packages of `lock`, a requirements file with a hash for each line. It is made
 * for the Python that is there, in a folder of its own and moved to its place in one step, so that several processes may
 * do this at once. Throws an Error in one line when there is no python3, no pip, or no way to the package index.
 */
export async function pythonPackages(lock: string, env: Environment, tell: Tell = tellOnStderr): Promise<string> {
  const python = await run('python3', ['-c', BUILD], { env, seconds: START_SECONDS })
  if (!python.ok) throw new Error(`Python packages need a Python: ${python.text}`)
  const digest = createHash('sha256').update(readFileSync(lock)).update(python.text).digest('hex').slice(0, 8)
  return await cachedFolder(`${basename(lock, '.txt')}-${digest}`, env, async work => {
    tell(`Installing the Python packages of ${basename(lock)} into ${cacheFolder(env)}, once`)
    const how = ['--quiet', '--no-deps', '--require-hashes', '--only-binary=:all:', '--no-compile']
    const pip = ['-m', 'pip', 'install', ...how, '--target', work, '--requirement', lock]
    const said = await run('python3', pip, { env: { ...env, ...QUIET_PIP }, seconds: INSTALL_SECONDS })
    if (!said.ok) throw new Error(`The Python packages of ${basename(lock)} could not be installed: ${said.text}`)
  })
}
