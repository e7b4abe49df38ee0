// Portkey's gateway as published on npm, on the Node that runs the bench. It forwards to the host that a header names;
// nothing else of it is on: no guardrails, cache, retries, fallbacks, no key check, no log.
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cachedFolder } from '../../hack/cached-folder.ts'
import { cacheFolder, run, tellOnStderr } from '../../hack/programs.ts'
import { freePorts, startProgram } from '../programs.ts'
import type { Target } from '../target.ts'

const VERSION = '1.15.2'
/** What it depends on is taken as it was on this day, so that the same program is measured next year. */
const DAY = '2026-11-20'
const INSTALL_SECONDS = 300

const MANIFEST = JSON.stringify({
  private: true,
  dependencies: { '@portkey-ai/gateway': VERSION },
  // With the newer ones that its range allows, it answers 500 to every stream.
  overrides: { '@hono/node-server': '1.14.1' },
})

function installed(): Promise<string> {
  const digest = createHash('sha256').update(MANIFEST).update(DAY).digest('hex').slice(0, 8)
  return cachedFolder(`portkey-${VERSION}-${digest}`, process.env, async work => {
    tellOnStderr(`Installing Portkey's gateway ${VERSION} into ${cacheFolder(process.env)}, once`)
    writeFileSync(join(work, 'package.json'), MANIFEST)
    const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--omit=dev', '--logs-max=0']
    const args = ['install', ...quiet, `--before=${DAY}`, '--prefix', work]
    const said = await run('npm', args, { env: process.env, seconds: INSTALL_SECONDS, cwd: work })
    if (!said.ok) {
      throw new Error(
        `The peer portkey needs npm and its way to the registry, to install @portkey-ai/gateway ${VERSION}: ${said.text}`,
      )
    }
  })
}

/** See above. The caller's key goes on to the provider, as nobody checks it here. */
export const target: Target = {
  name: 'portkey',
  prepare: installed,
  start: async ({ upstreamUrl, dir, logs, nodeArgs }) => {
    const [port = 0] = await freePorts(1)
    const program = join(await installed(), 'node_modules', '@portkey-ai', 'gateway', 'build', 'start-server.js')
    const args = [...nodeArgs, program, `--port=${port}`, '--headless']
    const url = `http://127.0.0.1:${port}`
    const env = { HOME: dir, NODE_ENV: 'production' }
    const { pid, stop } = await startProgram({ name: 'portkey', args, env, logs }, `${url}/`)
    return {
      url: `${url}/v1/chat/completions`,
      key: 'sk-of-the-mock-upstream',
      model: 'gpt-4o',
      headers: { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${upstreamUrl}/v1` },
      about: `@portkey-ai/gateway ${VERSION} with @hono/node-server 1.14.1, node ${process.version}, nothing on`,
      pids: [pid],
      redisPids: [],
      stop,
    }
  },
}
