// The rows: unique names, prefixes and patterns that send each model to one provider only.
import { describe, expect, test } from 'vitest'
import { providerRow, providerRows } from './providers.ts'

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

  test('are found by name, and undefined when there is none', () => {
    expect(providerRow('openai')?.variables.apiKey).toBe('OPENAI_API_KEY')
    expect(providerRow('nobody')).toBeUndefined()
  })
})
