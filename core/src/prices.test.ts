// The price list: exact names, whole micro-dollars, nothing priced at zero by accident.
import { statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { PRICE_SOURCE, pricedModels, priceOf } from './prices.ts'
import { providerRows } from './providers.ts'

describe('list prices', () => {
  test('are micro-dollars a million tokens', () => {
    expect(priceOf('openai', 'gpt-4o-mini')).toEqual({
      input: 150_000,
      output: 600_000,
      cachedInput: 75_000,
      maxOutputTokens: 16_384,
    })
  })

  test('are known for the main models of the main providers', () => {
    expect(pricedModels('openai')).toContain('gpt-4o')
    expect(pricedModels('anthropic')).toContain('claude-sonnet-4-5')
    expect(pricedModels('gemini')).toContain('gemini-2.5-pro')
    expect(pricedModels('mistral')).toContain('mistral-large-latest')
  })

  test('are for exact names only', () => {
    expect(priceOf('openai', 'gpt-4o-2099-01-01')).toBeUndefined()
    expect(priceOf('openai', 'GPT-4o')).toBeUndefined()
    expect(priceOf('openai', 'constructor')).toBeUndefined()
    expect(priceOf('nobody', 'gpt-4o')).toBeUndefined()
  })

  test("are never zero but for what runs on one's own machine", () => {
    const free = providerRows().flatMap(row =>
      pricedModels(row.name).filter(model => {
        const price = priceOf(row.name, model)
        return price === undefined || price.input === 0 || price.output === 0
      }),
    )
    expect(free).toEqual([])
    expect(priceOf('ollama', 'llama3.2')).toMatchObject({ input: 0, output: 0, cacheWrite: 0 })
    expect(priceOf('demo', 'small')).toMatchObject({ input: 0, output: 0 })
  })

  test('never make a cached token dearer than a fresh one', () => {
    const prices = providerRows().flatMap(row => pricedModels(row.name).map(model => priceOf(row.name, model)))
    for (const price of prices) expect(price?.cachedInput ?? 0).toBeLessThanOrEqual(price?.input ?? 0)
  })

  test("have one for writing to a provider's cache where it has one, dearer than a fresh token", () => {
    expect(priceOf('anthropic', 'claude-sonnet-4-5')?.cacheWrite).toBe(3_750_000)
    expect(priceOf('openai', 'gpt-4o-mini')?.cacheWrite).toBeUndefined()
    const prices = providerRows().flatMap(row => pricedModels(row.name).map(model => priceOf(row.name, model)))
    const written = prices.filter(price => price?.cacheWrite !== undefined)
    expect(written.length).toBeGreaterThan(10)
    for (const price of written) expect(price?.cacheWrite).toBeGreaterThanOrEqual(price?.input ?? Infinity)
  })

  test('say where they come from', () => {
    expect(PRICE_SOURCE).toMatch(/^litellm \d/)
  })

  test('stay a small file', () => {
    expect(statSync(new URL('./prices.json', import.meta.url)).size).toBeLessThan(300_000)
  })
})
