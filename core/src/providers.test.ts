// The rows: unique names, prefixes and patterns that send each model to one provider only.
import { describe, expect, test } from 'vitest'
import { FORMAT_NAMES, formatPaths, providerRow, providerRows } from './providers.ts'

describe('provider rows', () => {
  test('name each provider once', () => {
    const names = providerRows().map(row => row.name)
    expect(new Set(names).size).toBe(names.length)
  })

  test('give no prefix and no model pattern to two providers', () => {
    const claims = providerRows().flatMap(row => [...row.prefixes, ...row.models])
    expect(new Set(claims).size).toBe(claims.length)
  })

  test('give every provider its own name as a prefix', () => {
    for (const row of providerRows()) expect(row.prefixes).toContain(`${row.name}/`)
  })

  test('say from which variable a credential comes wherever one is needed, and which header carries it', () => {
    const incomplete = providerRows().filter(
      row =>
        row.needsCredential &&
        !(
          row.variables.apiKey?.endsWith('_API_KEY') === true &&
          row.auth !== undefined &&
          row.baseURL.startsWith('https:')
        ),
    )
    expect(incomplete).toEqual([])
  })

  test('speak at least one format each', () => {
    for (const row of providerRows()) {
      const formats = Object.keys(row.formats)
      expect(formats.length).toBeGreaterThan(0)
      expect(FORMAT_NAMES).toEqual(expect.arrayContaining(formats))
    }
  })

  test('ask for a usage event, which only OpenAI chat has, of providers that speak it', () => {
    const asked = providerRows().filter(row => row.streamUsage && row.formats['openai-chat'] === undefined)
    expect(asked).toEqual([])
  })

  test('have Anthropic called in its own format, its key in a header of its own, as it is', () => {
    expect(providerRow('anthropic')).toMatchObject({
      formats: { 'anthropic-messages': '/messages' },
      auth: { header: 'x-api-key' },
    })
    expect(providerRow('anthropic')?.auth?.scheme).toBeUndefined()
  })

  test('are found by name, and undefined when there is none', () => {
    expect(providerRow('openai')?.variables.apiKey).toBe('OPENAI_API_KEY')
    expect(providerRow('nobody')).toBeUndefined()
  })
})

describe('the formats of a provider', () => {
  test("are its row's", () => {
    expect(formatPaths({ preset: 'openai' })).toEqual({ 'openai-chat': '/chat/completions' })
    expect(formatPaths({ preset: 'anthropic' })).toEqual({ 'anthropic-messages': '/messages' })
    expect(formatPaths({ preset: 'nobody' })).toEqual({})
  })

  test('are the one that its object declares, and no other', () => {
    expect(formatPaths({ preset: 'local', format: 'anthropic-messages' })).toEqual({
      'anthropic-messages': '/messages',
    })
    expect(formatPaths({ preset: 'local', format: 'openai-chat' })).toEqual({ 'openai-chat': '/chat/completions' })
  })
})
