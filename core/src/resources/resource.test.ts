// The one door for objects: what is accepted gets its defaults, everything else gets a reason that helps.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { describeResource, type Kind, KINDS, parseResource, type Resource } from './resource.ts'
import { secretValues } from './secret.ts'

const SMALLEST: Record<Kind, object> = {
  AIGateway: {},
  AITenant: {},
  AIProvider: { preset: 'openai' },
  VirtualKey: { alias: 'app' },
  FallbackChain: { models: ['*'], targets: [{ name: 'a', providerRef: { name: 'openai' } }] },
  Policy: {},
  McpServer: { alias: 'tools', url: 'https://tools.example.com/mcp' },
  Agent: { type: 'Model', model: { name: 'gpt-4o' } },
}
const kinds = z
  .array(z.enum(['AIGateway', 'AITenant', 'AIProvider', 'VirtualKey', 'FallbackChain', 'Policy', 'McpServer', 'Agent']))
  .parse(Object.keys(KINDS))

const written = (kind: string, spec: unknown, metadata: object = {}) => ({
  apiVersion: 'smartflow.dev/v1alpha1',
  kind,
  metadata: { name: 'some', ...metadata },
  spec,
})

const problemsOf = (value: unknown): string[] => {
  const result = parseResource(value)
  return Array.isArray(result) ? result.map(problem => problem.message) : []
}

const reasonsOf = (value: unknown): string[] => {
  const result = parseResource(value)
  return Array.isArray(result) ? result.map(problem => `${problem.reason} ${problem.path.join('.')}`) : []
}

function accepted(value: unknown): Resource {
  const result = parseResource(value)
  if (Array.isArray(result)) throw new Error(result.map(problem => problem.message).join('; '))
  return result
}

describe.each(kinds)('kind %s', kind => {
  test('is accepted with the little it needs, and again with its defaults written out', () => {
    const resource = accepted(written(kind, SMALLEST[kind]))
    expect(parseResource(resource)).toEqual(resource)
  })

  test('is accepted as the API server gives it back', () => {
    const fromServer = {
      uid: 'b1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      generation: 2,
      resourceVersion: '77',
      managedFields: [{ manager: 'kubectl' }],
      labels: { team: 'a' },
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    }
    const resource = accepted({ ...written(kind, SMALLEST[kind], fromServer), status: { observedGeneration: 1 } })
    expect(resource.metadata.generation).toBe(2)
  })

  test('has no field that is not known, at its top or in its spec', () => {
    expect(reasonsOf({ ...written(kind, SMALLEST[kind]), extra: 1 })).toEqual(['Invalid extra'])
    expect(reasonsOf(written(kind, { ...SMALLEST[kind], extra: 1 }))).toEqual(['Invalid spec.extra'])
    expect(reasonsOf(written(kind, SMALLEST[kind], { extra: 1 }))).toEqual(['Invalid metadata.extra'])
  })
})

describe('a problem', () => {
  test('says which field, what is wrong and what to do', () => {
    expect(problemsOf(written('VirtualKey', { alias: 'App', budget: { amountUSD: 5, period: 'Yearly' } }))).toEqual([
      'spec.alias must be 1 to 63 lower-case letters, digits, "-", "_" or ".", beginning and ending with a letter or digit',
      'spec.budget.amountUSD must be an amount in dollars as text: write it in quotes, like "50" or "12.50"',
      'spec.budget.period must be one of Daily, Weekly, Monthly, Lifetime',
    ])
    expect(problemsOf(written('VirtualKey', { alis: 'app' }))).toEqual([
      'spec.alias is missing; it must be text',
      'spec.alis is no field of VirtualKey; did you mean alias?',
    ])
    expect(problemsOf(written('FallbackChain', { models: [], targets: 'a' }))).toEqual([
      'spec.models must have at least 1 entries',
      'spec.targets must be a list',
    ])
    expect(problemsOf(written('AITenant', {}, { namespace: 'a' }))).toEqual([
      'metadata.namespace is no field of AITenant; it is cluster-scoped, remove the namespace',
    ])
    expect(problemsOf(written('VirtualKeys', {}))[0]).toContain('did you mean VirtualKey?')
    expect(problemsOf(written('Model', {}))[0]).toContain('the kinds are AIGateway, AITenant')
    expect(problemsOf('text')[0]).toContain('no apiVersion and kind')
  })

  test('of two fields that contradict names the one to remove', () => {
    const both = { alias: 'a', secretName: 'b', keyFrom: { secretRef: { name: 'c' } } }
    expect(problemsOf(written('VirtualKey', both))[0]).toMatch(/^spec.keyFrom stands beside secretName/)
    const teams = { alias: 'a', team: 'x', owner: { type: 'Team', name: 'y' } }
    expect(problemsOf(written('VirtualKey', teams))).toEqual([
      'spec.team differs from the team in owner; keep one of the two',
    ])
    const plain = { preset: 'local', baseURL: 'http://llm.example.com/v1' }
    expect(problemsOf(written('AIProvider', plain))[0]).toMatch(/^spec.baseURL is not https/)
    const twice = {
      models: ['*'],
      targets: Array.from({ length: 2 }, () => ({ name: 'a', providerRef: { name: 'b' } })),
    }
    expect(problemsOf(written('FallbackChain', twice))[0]).toMatch(
      /^spec.targets\[1\].name is "a" a second time, after entry \[0\]/,
    )
  })

  test('never shows what a URL hides', () => {
    const url = { preset: 'local', baseURL: 'https://user:password@llm.example.com/v1' }
    expect(problemsOf(written('AIProvider', url)).join(' ')).not.toContain('password')
  })

  test('is all that any value can cause: nothing throws', () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.tuple(fc.constantFrom(...kinds), fc.jsonValue(), fc.jsonValue()).map(([kind, spec, metadata]) => ({
        apiVersion: 'smartflow.dev/v1alpha1',
        kind,
        metadata,
        spec,
      })),
    )
    fc.assert(fc.property(value, each => void parseResource(each)))
  })
})

describe('a Secret', () => {
  test('gives its values decoded, stringData above data', () => {
    const secret = accepted({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'a' },
      type: 'Opaque',
      data: { one: 'b25l', two: 'dHdv' },
      stringData: { two: 'zwei' },
    })
    expect(secret.kind === 'Secret' ? secretValues(secret) : undefined).toEqual({ one: 'one', two: 'zwei' })
    expect(describeResource(secret)).toBe('Secret default/a')
  })

  test('is refused without showing what is in it', () => {
    const problems = problemsOf({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'a' },
      data: { token: 'not base64!' },
    })
    expect(problems).toEqual(['data.token must be base64; write plain text under stringData instead'])
  })
})
