// `make prove-crashes`: an operator that dies at each of its writes in turn, and one that is killed at ten random moments.
// Takes some three minutes of a machine that does nothing else.
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..')
const VITEST = join(ROOT, 'node_modules/.bin/vitest')
const FILE = 'test/operator/chaos-crashes.prove.ts'

const { status } = spawnSync(process.execPath, [VITEST, 'run', '--config', 'test/prove.vitest.config.ts', FILE], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, CI: 'true' },
})
process.exitCode = status ?? 1
