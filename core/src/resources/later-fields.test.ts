// What an object uses that is not served yet is told by name, and nothing else is.
import { describe, expect, test } from 'vitest'
import { laterFieldsOf } from './later-fields.ts'
import { parseResource } from './resource.ts'

function laterOf(kind: string, spec: object): string[] {
  const resource = parseResource({ apiVersion: 'smartflow.dev/v1alpha1', kind, metadata: { name: 'some' }, spec })
  if (Array.isArray(resource)) throw new Error(resource.map(problem => problem.message).join('; '))
  const problems = laterFieldsOf(resource)
  expect(problems.every(problem => problem.reason === 'NotServedYet')).toBe(true)
  return problems.map(problem => problem.path.join('.'))
}

const TARGET = { name: 'a', providerRef: { name: 'b' } }

describe('what is not served yet', () => {
  test.each<[string, object, string[]]>([
    ['AIGateway', { staleness: {}, defaults: { cache: { enabled: true } } }, ['spec.staleness', 'spec.defaults.cache']],
    [
      'AIGateway',
      { configStore: { redis: { secretRef: { name: 'a' }, keyPrefix: 'x:' } } },
      ['spec.configStore.redis.keyPrefix'],
    ],
    ['AIGateway', { exposure: { tls: { minVersion: 'TLS13' } } }, ['spec.exposure.tls.minVersion']],
    ['AITenant', { users: [], tls: { clientAuth: { mode: 'None' } } }, ['spec.users', 'spec.tls.clientAuth']],
    [
      'AITenant',
      { teams: [{ name: 'x', budget: { amountUSD: '1', period: 'Daily', softLimitPercent: [80] } }] },
      ['spec.teams.0.budget.softLimitPercent'],
    ],
    ['AIProvider', { preset: 'local', format: 'Gemini', strict: false }, ['spec.format', 'spec.strict']],
    ['AIProvider', { preset: 'local', auth: { type: 'None' } }, ['spec.auth.type']],
    ['VirtualKey', { alias: 'a', mcpServers: ['x'], allowedCIDRs: [] }, ['spec.mcpServers', 'spec.allowedCIDRs']],
    [
      'FallbackChain',
      { models: ['*'], strategy: 'Weighted', targets: [{ ...TARGET, weight: 1 }] },
      ['spec.strategy', 'spec.targets.0.weight'],
    ],
    [
      'FallbackChain',
      { models: ['*'], targets: [TARGET, { ...TARGET, name: 'c', when: {} }], hedge: { after: '1s' } },
      ['spec.targets.1.when', 'spec.hedge'],
    ],
    [
      'Policy',
      { guardrails: [{ name: 'g', type: 'Toxicity', action: 'Review', thresholdPercent: 80 }] },
      ['spec.guardrails.0.type', 'spec.guardrails.0.action', 'spec.guardrails.0.thresholdPercent'],
    ],
    [
      'Policy',
      { audit: { content: 'Redact' }, cache: { enabled: true, shadow: false } },
      ['spec.cache.shadow', 'spec.audit.content'],
    ],
    ['McpServer', { alias: 'tools', url: 'https://tools.example.com/mcp' }, ['kind']],
    ['Agent', { type: 'Model', model: { name: 'gpt-4o' } }, ['kind']],
  ])('of %s %j is %j', (kind, spec, paths) => {
    expect(laterOf(kind, spec).sort()).toEqual([...paths].sort())
  })

  test('is named with what to do', () => {
    const value = {
      apiVersion: 'smartflow.dev/v1alpha1',
      kind: 'Policy',
      metadata: { name: 'a' },
      spec: { audit: { content: 'Hash' } },
    }
    const resource = parseResource(value)
    expect(Array.isArray(resource) ? [] : laterFieldsOf(resource).map(each => each.message)).toEqual([
      'spec.audit.content: Hash is not served by this release yet and not in force; remove it until a release serves it',
    ])
  })

  test('is nothing of what this release serves', () => {
    expect(laterOf('AIGateway', {})).toEqual([])
    expect(
      laterOf('AIGateway', {
        configStore: { redis: { secretRef: { name: 'a' } } },
        exposure: {
          type: 'GatewayAPI',
          gatewayRef: { name: 'g' },
          domains: ['ai.example.com'],
          tls: { issuerRefs: [{ name: 'i' }] },
          networkPolicy: true,
        },
        allowedNamespaces: { from: 'All' },
      }),
    ).toEqual([])
    expect(
      laterOf('AITenant', {
        gatewayRef: { name: 'g', namespace: 'n' },
        namespaces: { selector: { matchLabels: { a: 'b' } } },
        hostnames: ['a.example.com'],
        tls: { secretName: 's' },
        limits: { maxVirtualKeys: 1 },
        exposeManagement: true,
      }),
    ).toEqual([])
    expect(laterOf('VirtualKey', { alias: 'a', rotation: { interval: '720h' }, deletionPolicy: 'Orphan' })).toEqual([])
    expect(
      laterOf('AIProvider', { preset: 'openai', format: 'OpenAIChat', allowedNamespaces: { from: 'All' } }),
    ).toEqual([])
    expect(
      laterOf('FallbackChain', { models: ['*'], targets: [{ ...TARGET, providerRef: { name: 'b', namespace: 'c' } }] }),
    ).toEqual([])
    expect(
      laterOf('Policy', { parentRef: { name: 'a' }, guardrails: [{ name: 'g', type: 'PII', action: 'Block' }] }),
    ).toEqual([])
  })
})
