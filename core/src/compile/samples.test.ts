// The samples that ship: every object is accepted, and a fresh machine gets a gateway that answers.
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { pricedModels } from '../prices.ts'
import { providerRows } from '../providers.ts'
import { Keyring } from '../snapshot/keyring.ts'
import { newToken } from '../snapshot/token.ts'
import { ConfigFolder } from '../yaml/folder.ts'
import { compile } from './compile.ts'
import { missingTokens } from './missing-tokens.ts'
import type { World } from './world.ts'

const SAMPLES = fileURLToPath(new URL('../../../config/samples/standalone', import.meta.url))
const keyring = Keyring.fromMaster(Buffer.alloc(32, 1))

async function sampleWorld(environment: World['environment']): Promise<World> {
  const { resources, problems } = await new ConfigFolder(SAMPLES).scan()
  expect(problems).toEqual([])
  const made = missingTokens(resources, new Map())
  const secrets = new Map(made.map(each => [`${each.namespace}/${each.secretName}`, { [each.key]: newToken() }]))
  return { resources, secrets, environment, standalone: true, keyring }
}

describe('the standalone samples', () => {
  test('are accepted, every object and every reference', async () => {
    const { statuses } = compile(await sampleWorld({}))
    const refused = statuses.flatMap(status => status.conditions).filter(condition => condition.status !== 'True')
    expect(refused).toEqual([])
  })

  test('give every provider row, the demo upstream standing in for those that need a key', async () => {
    const { compiled } = compile(await sampleWorld({ ANTHROPIC_API_KEY: 'real' }))
    const providers = (compiled.tenants.get('default') ?? []).filter(item => item.kind === 'AIProvider')
    expect(providers.map(item => item.preset).sort()).toEqual(
      providerRows()
        .map(row => row.name)
        .sort(),
    )
    const real = providers.filter(item => !item.demo).map(item => item.name)
    expect(real).toEqual(['anthropic', 'local', 'ollama'])
  })

  test('have an admin, an application with limits, guardrails, a cache and the audit on', async () => {
    const items = compile(await sampleWorld({})).compiled.tenants.get('default') ?? []
    expect(items.filter(item => item.kind === 'VirtualKey')).toMatchObject([
      { alias: 'admin', role: 'ProxyAdmin' },
      { alias: 'app', role: 'InternalUser', application: 'sample-app', budget: { amount: 5_000_000, period: 'Daily' } },
    ])
    const policies = items.filter(item => item.kind === 'Policy')
    expect(policies).toMatchObject([
      { name: 'enterprise-standard', cache: { enabled: true }, audit: { content: 'Keep' } },
    ])
    const inForce = { type: 'PII', direction: 'Both', mode: 'Enforce', onError: 'Block' }
    expect(policies[0]?.guardrails).toEqual([
      { name: 'sensitive', action: 'Block', entities: ['Card', 'SSN', 'Secret'], ...inForce },
      { name: 'personal', action: 'AllowAndLog', entities: ['Email', 'Phone', 'IBAN'], ...inForce },
    ])
    expect(policies[0]?.cache?.maxTemperaturePercent).toBeUndefined()
  })

  test('have chains that repeat, go on and leave broken targets alone, with enough attempts for every target', async () => {
    const items = compile(await sampleWorld({})).compiled.tenants.get('default') ?? []
    const chains = items.filter(item => item.kind === 'FallbackChain')
    expect(chains).toMatchObject([
      { name: 'resilient-chat', maxAttempts: 8, maxTotalDuration: 120_000, breaker: { failures: 5, openFor: 30_000 } },
      { name: 'see-fallback', targets: [{ provider: 'demo', model: 'unavailable' }, { provider: 'openai' }] },
    ])
    const [chain] = chains
    expect(chain?.targets[0]).toMatchObject({ timeout: 30_000, retry: { attempts: 1, maxDelay: 2_000 } })
    const most = chain?.targets.map(target => target.retry.attempts + 1).reduce((sum, each) => sum + each, 0)
    expect(chain?.maxAttempts).toBeGreaterThanOrEqual(most ?? Infinity)
  })

  test('name only models whose price is known', async () => {
    const items = compile(await sampleWorld({})).compiled.tenants.get('default') ?? []
    const targets = items.flatMap(item => (item.kind === 'FallbackChain' ? item.targets : []))
    const real = targets.filter(target => target.provider !== 'demo')
    const unknown = real.filter(target => !pricedModels(target.provider).includes(target.model ?? ''))
    expect(unknown).toEqual([])
  })
})
