// The image, made by hack/image.sh and run without a container engine: that it holds all it needs, and nothing to play with.
import { execFile } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { arch } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { cleanUp, eventually, temporary } from './gateway.ts'
import { firstProcessOf, runBoxed, whyNoSandbox, WRITABLE } from './sandbox.ts'

const ROOT = join(import.meta.dirname, '../..')
const CONFIG = join(ROOT, 'config/samples/standalone')
const BUILD_MS = 5 * 60_000
const START_MS = 45_000
const ARCHITECTURE = arch() === 'x64' ? 'amd64' : arch()
const ARCHITECTURES = ['amd64', 'arm64']

const why = whyNoSandbox() ?? (existsSync('/etc/debian_version') ? undefined : 'hack/image.sh needs apt-get and dpkg')
const folder = temporary()
const image = join(folder, ARCHITECTURE)

beforeAll(async () => {
  if (why !== undefined) return
  for (const made of ARCHITECTURES) {
    await promisify(execFile)(join(ROOT, 'hack/image.sh'), [join(folder, made), made], { timeout: BUILD_MS })
  }
}, BUILD_MS)
afterAll(cleanUp)

describe.skipIf(why !== undefined)(`the image${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  test.each(ARCHITECTURES)('for %s holds what node asks for, and neither shell nor tests nor tools', made => {
    const root = join(folder, made)
    const files = globSync('**/*', { cwd: root })
    const node = readFileSync(join(root, 'usr/local/bin/node'))
    expect(node.readUInt16LE(18)).toBe(made === 'amd64' ? 62 : 183)
    const libraries = files.filter(file => /^lib(64)?\//.test(file)).map(file => file.slice(file.lastIndexOf('/') + 1))
    const needed = neededBy(node)
    expect(needed).toContain('libc.so.6')
    for (const library of needed) expect(libraries).toContain(library)
    expect(files.filter(file => /(^|\/)(sh|bash|busybox|npm|apt|dpkg)$/.test(file))).toEqual([])
    expect(files.filter(file => /^app\/(core|dataplane|operator)\/.*\.test\.ts$/.test(file))).toEqual([])
    const packages = files.filter(file => /^app\/node_modules\/(@[^/]+\/)?[^/@]+$/.test(file))
    expect(packages.filter(file => /\/(node|vitest|typescript|oxlint|knip|fast-check|openai)$/.test(file))).toEqual([])
    expect(packages).toContain('app/node_modules/ioredis')
  })

  test('runs a program as a user without rights on a file system that nobody can write to', async () => {
    const look = `
      const { readFileSync, writeFileSync } = require('node:fs')
      const attempt = file => { try { writeFileSync(file, ''); return 'written' } catch (error) { return error.code } }
      const status = readFileSync('/proc/self/status', 'utf8')
      require('node:dns').lookup('localhost', error => console.log(JSON.stringify({
        uid: process.getuid(), pid: process.pid, capabilities: /CapEff:\\s*(\\w+)/.exec(status)[1], name: error?.code ?? 'found',
        app: attempt('/app/x'), tmp: attempt('/tmp/x'), state: attempt('${WRITABLE}/x') })))`
    const child = runBoxed({ image, config: CONFIG, args: ['--eval', look] })
    const said = await Promise.all([child.stdout, child.stderr].map(async stream => (stream ? await text(stream) : '')))
    expect(JSON.parse(said[0] || `"${said[1]}"`)).toEqual({
      uid: 65_532,
      pid: 1,
      capabilities: '0000000000000000',
      name: 'found',
      app: 'EROFS',
      tmp: 'EROFS',
      state: 'written',
    })
  })

  test('serves as data plane, and as process 1 ends in order when it is asked to', async ({ skip }) => {
    const redisUrl = inject('redisUrl')
    if (redisUrl === '') return skip('there is no Redis')
    const child = runBoxed({
      image,
      config: CONFIG,
      args: ['--min-semi-space-size=64', '--max-semi-space-size=64', 'dataplane'],
      env: {
        REDIS_URL: redisUrl,
        SMARTFLOW_GATEWAY: 'image',
        SMARTFLOW_CONFIG_DIR: `${WRITABLE}/config`,
        SMARTFLOW_STATE_DIR: `${WRITABLE}/state`,
        SMARTFLOW_METRICS_PORT: '0',
        SMARTFLOW_PROXY_PORT: '0',
        SMARTFLOW_MANAGEMENT_PORT: '0',
      },
    })
    const output = { out: '', log: '' }
    child.stdout?.on('data', (part: Buffer) => (output.out += part.toString()))
    child.stderr?.on('data', (part: Buffer) => (output.log += part.toString()))
    const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
    try {
      const line = await eventually('the first line', () => output.out.includes('\n') && output.out, START_MS)
      const { addresses } = JSON.parse(line) as { addresses: { proxy: string; metrics: string } }
      const answer = await fetch(`${addresses.proxy}/health/readiness`)
      expect([answer.status, await answer.json()]).toEqual([200, { status: 'ready' }])
      expect((await fetch(`${addresses.metrics}/livez`)).status).toBe(200)
      process.kill(firstProcessOf(child), 'SIGTERM')
      expect(await exited).toBe(0)
    } finally {
      child.kill('SIGKILL')
    }
    expect(output.log).toContain('stopping')
  })
})

/** Names of the libraries in an ELF file's dynamic section (64 bit, little endian). */
function neededBy(elf: Buffer): string[] {
  const at = (offset: number): number => Number(elf.readBigUInt64LE(offset))
  const headers = Array.from({ length: elf.readUInt16LE(56) }, (_, index) => at(32) + index * elf.readUInt16LE(54))
  const segments = headers.map(header => ({
    type: elf.readUInt32LE(header),
    offset: at(header + 8),
    address: at(header + 16),
    size: at(header + 32),
  }))
  const dynamic = segments.find(({ type }) => type === 2)
  if (!dynamic) return []
  const entries = Array.from({ length: dynamic.size / 16 }, (_, index) => dynamic.offset + index * 16)
  const pairs = entries.map(entry => ({ tag: at(entry), value: at(entry + 8) }))
  const address = pairs.find(({ tag }) => tag === 5)?.value ?? 0
  const home = segments.find(({ type, address: from, size }) => type === 1 && address >= from && address < from + size)
  const strings = address - (home?.address ?? 0) + (home?.offset ?? 0)
  return pairs
    .filter(({ tag }) => tag === 1)
    .map(({ value }) => elf.toString('latin1', strings + value, elf.indexOf(0, strings + value)))
}
