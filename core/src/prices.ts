// What calls cost: the built-in price list (prices.json, written by hack/refresh-prices.ts). Exact names only, never a
// guess.
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { providerRow } from './providers.ts'
import { ModelPrice } from './snapshot/items.ts'

const PriceList = z.strictObject({
  source: z.string(),
  sha256: z.string(),
  presets: z.record(z.string(), z.record(z.string(), ModelPrice)),
})

const list = PriceList.parse(JSON.parse(readFileSync(new URL('./prices.json', import.meta.url), 'utf8')))
const presets = new Map(
  Object.entries(list.presets).map(([preset, prices]) => [preset, new Map(Object.entries(prices))] as const),
)

const FREE: ModelPrice = { input: 0, output: 0, cachedInput: 0, cacheWrite: 0 }

/** Where the built-in prices come from, with its version: part of every record that was priced with them. */
export const PRICE_SOURCE: string = list.source

/**
 * The list price of a model as its provider names it (prefix and aliases already resolved), or undefined when it is
 * unknown: then the cost is unknown too, not 0. Models that run on one's own machine cost nothing. An AIProvider's
 * `pricing` wins over this.
 */
export function priceOf(preset: string, model: string): ModelPrice | undefined {
  if (providerRow(preset)?.local === true) return FREE
  return presets.get(preset)?.get(model)
}

/** Names of the chat models of a preset that have a list price, sorted: the models it is known to serve. */
export function pricedModels(preset: string): readonly string[] {
  return [...(presets.get(preset)?.keys() ?? [])]
}
