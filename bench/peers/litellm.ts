// LiteLLM's proxy as published on PyPI, in a virtual environment of its own: one model, one worker, the master key that
// it will not start without; no database, no cache, no telemetry, no retries, no callbacks.
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cachedFolder } from '../../hack/cached-folder.ts'
import { cacheFolder, run, tellOnStderr } from '../../hack/programs.ts'
import { freePorts, startProgram } from '../programs.ts'
import type { Target } from '../target.ts'

const VERSION = '1.109.1'
const LOCK = join(import.meta.dirname, `litellm-${VERSION}.txt`)
const MODEL = 'gpt-4o'
const VENV_SECONDS = 120
const INSTALL_SECONDS = 900
/** It imports for a quarter of a minute, and compiles what it imports the first time. */
const READY_SECONDS = 240

const NEEDS =
  'The peer litellm needs a python3 of 3.10 to 3.14 with venv and pip (`apt-get install python3-venv` on Debian)'

function installed(): Promise<string> {
  const digest = createHash('sha256').update(readFileSync(LOCK)).digest('hex').slice(0, 8)
  return cachedFolder(`litellm-${VERSION}-${digest}`, process.env, async work => {
    tellOnStderr(`Installing LiteLLM ${VERSION} into ${cacheFolder(process.env)}, once (some 600 MB)`)
    const env = { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_ROOT_USER_ACTION: 'ignore' }
    const made = await run('python3', ['-m', 'venv', work], { env, seconds: VENV_SECONDS })
    if (!made.ok) throw new Error(`${NEEDS}: ${made.text}`)
    const how = ['--quiet', '--no-deps', '--only-binary=:all:', '--no-compile']
    const pip = ['-m', 'pip', 'install', ...how, '--requirement', LOCK]
    const said = await run(join(work, 'bin', 'python'), pip, { env, seconds: INSTALL_SECONDS })
    if (!said.ok) throw new Error(`${NEEDS}, to install ${basename(LOCK)}: ${said.text}`)
  })
}

/** The proxy's configuration; JSON is YAML. */
export function configuration(upstreamUrl: string): string {
  return JSON.stringify({
    model_list: [
      {
        model_name: MODEL,
        litellm_params: {
          model: `openai/${MODEL}`,
          api_base: `${upstreamUrl}/v1`,
          api_key: 'sk-of-the-mock-upstream',
        },
      },
    ],
    litellm_settings: { num_retries: 0, request_timeout: 60, telemetry: false },
    router_settings: { num_retries: 0, disable_cooldowns: true },
  })
}

/** See above. It is an order of magnitude slower than the others, hence gets a fraction of the calls. */
export const target: Target = {
  name: 'litellm',
  portion: 0.2,
  prepare: installed,
  start: async ({ upstreamUrl, dir, logs }) => {
    const [port = 0] = await freePorts(1)
    const python = join(await installed(), 'bin', 'python')
    const config = join(dir, 'config.yaml')
    writeFileSync(config, configuration(upstreamUrl))
    const key = `sk-${randomBytes(24).toString('hex')}`
    const env = {
      HOME: dir,
      LITELLM_MASTER_KEY: key,
      LITELLM_LOG: 'ERROR',
      LITELLM_OFFLINE_MODE: 'true',
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      LITELLM_TELEMETRY_DISABLED: 'true',
    }
    // The module, not the script `litellm`: scripts of a virtual environment do not stand being moved.
    const where = ['--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1']
    const args = ['-m', 'litellm.proxy.proxy_cli', ...where, '--telemetry', 'False']
    const url = `http://127.0.0.1:${port}`
    const options = { name: 'litellm', command: python, args, env, logs, readySeconds: READY_SECONDS }
    const { pid, stop } = await startProgram(options, `${url}/health/liveliness`)
    const about = `litellm[proxy] ${VERSION}, one worker, master key, no database`
    return { url: `${url}/v1/chat/completions`, key, model: MODEL, about, pids: [pid], redisPids: [], stop }
  },
}
