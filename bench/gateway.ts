// The gateway as a target: every stage of a plain call on (key, limits, budgets of key, team and tenant, log), with a
// Redis of its own; with or without the response cache.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GATEWAY_MAIN, GATEWAY_NODE_FLAGS } from '../hack/gateway-command.ts'
import { startRedis } from '../hack/redis.ts'
import { freePorts, startProgram } from './programs.ts'
import type { Running, StartContext, Target } from './target.ts'

const MODEL = 'gpt-4o'
/** A made-up token: the gateway it opens serves nobody but the bench, on the loopback address. */
const TOKEN = `sk-sf-${'0123456789abcdef'.repeat(3)}`

/** What the platform team would write; limits are so high that nothing is refused, but each is counted. */
function resources(upstreamUrl: string): string {
  return `
apiVersion: smartflow.dev/v1alpha1
kind: AITenant
metadata: { name: bench }
spec:
  namespaces: { names: [bench] }
  limits: { budget: { amountUSD: "900000000", period: Monthly }, rpm: 1000000000, tpm: 1000000000 }
  teams:
    - name: foresters
      budget: { amountUSD: "900000000", period: Monthly }
      rateLimit: { rpm: 1000000000, tpm: 1000000000 }
---
apiVersion: v1
kind: Secret
metadata: { name: upstream, namespace: bench }
stringData: { apiKey: sk-of-the-mock-upstream }
---
apiVersion: smartflow.dev/v1alpha1
kind: AIProvider
metadata: { name: mock, namespace: bench }
spec:
  preset: openai
  baseURL: ${upstreamUrl}/v1
  allowPrivateEndpoint: true
  auth: { secretRef: { name: upstream } }
  pricing: [{ model: ${MODEL}, inputPerMillionUSD: "2.50", outputPerMillionUSD: "10" }]
---
apiVersion: v1
kind: Secret
metadata: { name: ranger, namespace: bench }
stringData: { token: ${TOKEN} }
---
apiVersion: smartflow.dev/v1alpha1
kind: VirtualKey
metadata: { name: ranger, namespace: bench }
spec:
  alias: ranger
  team: foresters
  keyFrom: { secretRef: { name: ranger } }
  budget: { amountUSD: "900000000", period: Monthly }
  rateLimit: { rpm: 1000000000, tpm: 1000000000, concurrency: 100000 }
`
}

const CACHE_POLICY = `---
apiVersion: smartflow.dev/v1alpha1
kind: Policy
metadata: { name: cached, namespace: bench }
spec:
  cache: { enabled: true, scope: Tenant, ttl: 1h }
`

/** Every stage at work on every call: guardrails on request and reply, the cache asked and filled, content kept. */
const WHOLE_POLICY = `---
apiVersion: smartflow.dev/v1alpha1
kind: Policy
metadata: { name: whole, namespace: bench }
spec:
  guardrails: [{ name: all, type: PII, action: Redact }]
  cache: { enabled: true, scope: Tenant, ttl: 1h }
  audit: { content: Keep }
`

async function start(name: string, context: StartContext, policy: string): Promise<Running> {
  const { upstreamUrl, dir, logs, nodeArgs } = context
  const config = join(dir, 'config')
  const state = join(dir, 'state')
  for (const folder of [config, state]) mkdirSync(folder)
  writeFileSync(join(config, 'bench.yaml'), resources(upstreamUrl) + policy)
  const { REDIS_URL: _, ...env } = process.env // somebody's running Redis could not be reported apart
  const redis = await startRedis({ dir: join(dir, 'redis'), persist: true }, env)
  const [proxy = 0, management = 0, metrics = 0] = await freePorts(3)
  const own = {
    SMARTFLOW_CONFIG_DIR: config,
    SMARTFLOW_STATE_DIR: state,
    SMARTFLOW_PROXY_PORT: String(proxy),
    SMARTFLOW_MANAGEMENT_PORT: String(management),
    SMARTFLOW_METRICS_PORT: String(metrics),
    REDIS_URL: redis.url,
  }
  const base = `http://127.0.0.1:${proxy}`
  try {
    const options = { name, args: [...GATEWAY_NODE_FLAGS, ...nodeArgs, GATEWAY_MAIN], env: own, logs }
    const gateway = await startProgram(options, `${base}/health/readiness`)
    return {
      url: `${base}/v1/chat/completions`,
      key: TOKEN,
      model: MODEL,
      pids: [gateway.pid],
      // The client of a container is not the server: then the figure is left out.
      redisPids: redis.pid === undefined || redis.source === 'docker' ? [] : [redis.pid],
      stop: async () => {
        await gateway.stop()
        await redis.stop()
      },
    }
  } catch (error) {
    await redis.stop()
    throw error
  }
}

/** The gateway without any Policy: the cache is off. */
export const gateway: Target = { name: 'gateway', start: context => start('gateway', context, '') }

/** The gateway with its cache on, asked the same thing again and again: hits. */
export const gatewayCached: Target = {
  name: 'gateway-cached',
  repeat: true,
  start: context => start('gateway-cached', context, CACHE_POLICY),
}

/** The gateway with every stage at work: what its dearest plain call costs. */
export const gatewayWhole: Target = {
  name: 'gateway-whole',
  start: context => start('gateway-whole', context, WHOLE_POLICY),
}
