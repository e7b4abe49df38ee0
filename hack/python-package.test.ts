// Python packages are installed once, whole or not at all. The python3 asked is a small script, so nothing is downloaded.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { pythonPackages } from './python-package.ts'

/** A python3 whose pip puts what it was asked into the target folder, and writes down that it was asked. */
const PIP = `
case "$2" in
  pip) for last; do [ "$before" = --target ] && target=$last; before=$last; done
       /bin/mkdir -p "$target"; echo "$@" > "$target/asked"; echo pip >> "$LOG" ;;
esac`

interface Machine {
  readonly env: Record<string, string>
  readonly lock: string
  /** How often pip was run. */
  readonly runs: () => number
}

/** A machine with this python3, or with none. */
function machine(python: string | undefined): Machine {
  const root = mkdtempSync(join(tmpdir(), 'python-package-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const [bin, lock, log] = [join(root, 'bin'), join(root, 'some-1.0.txt'), join(root, 'log')]
  mkdirSync(bin)
  writeFileSync(lock, 'some==1.0 --hash=sha256:00\n')
  if (python !== undefined) {
    writeFileSync(join(bin, 'python3'), `#!/bin/sh\n${python}\n`)
    chmodSync(join(bin, 'python3'), 0o755)
  }
  const env = { PATH: bin, SMARTFLOW_CACHE_DIR: join(root, 'cache'), LOG: log }
  return { env, lock, runs: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').length : 0) }
}

const silent = (): void => undefined

test('installs once, by the hashes of the lock file, also when several ask at once', async () => {
  const { env, lock, runs } = machine(PIP)
  const folders = await Promise.all([1, 2, 3].map(() => pythonPackages(lock, env, silent)))
  const [folder = ''] = folders
  expect(new Set(folders)).toEqual(new Set([folder]))
  expect(folder).toMatch(/cache\/some-1\.0-[0-9a-f]{8}$/)
  expect(readFileSync(join(folder, 'asked'), 'utf8')).toContain('--require-hashes')
  expect(readdirSync(env['SMARTFLOW_CACHE_DIR'] ?? '')).toHaveLength(1)
  const asked = runs()
  expect(await pythonPackages(lock, env, silent)).toBe(folder)
  expect(runs()).toBe(asked)
})

test('a lock file that changed is another folder', async () => {
  const { env, lock } = machine(PIP)
  const before = await pythonPackages(lock, env, silent)
  writeFileSync(lock, 'some==1.1 --hash=sha256:01\n')
  expect(await pythonPackages(lock, env, silent)).not.toBe(before)
})

test('another Python is another folder: packages may be compiled for one', async () => {
  const { env, lock } = machine(`${PIP}\n[ "$1" != -c ] || echo "$BUILD"`)
  const one = await pythonPackages(lock, { ...env, BUILD: 'cpython-311 linux-x86_64' }, silent)
  const other = await pythonPackages(lock, { ...env, BUILD: 'cpython-313 linux-x86_64' }, silent)
  expect(other).not.toBe(one)
})

test('says in one line what is missing, and leaves nothing behind', async () => {
  const none = machine(undefined)
  await expect(pythonPackages(none.lock, none.env, silent)).rejects.toThrow(/there is no program python3/)
  const broken = machine('[ "$2" != pip ] || { echo "ERROR: no such package" >&2; exit 1; }')
  await expect(pythonPackages(broken.lock, broken.env, silent)).rejects.toThrow(/some-1\.0\.txt.*no such package/)
  expect(readdirSync(broken.env['SMARTFLOW_CACHE_DIR'] ?? '')).toEqual([])
})
