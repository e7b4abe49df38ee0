// Prices: what the AIProvider declares, then the built-in table. Exact names and declared aliases only (K07).
import { priceOf } from '@smartflow/core/prices'
import type { ModelPrice } from '@smartflow/core/snapshot/items'
import type { Price } from '../exchange/usage.ts'
import type { Prices } from '../ports/prices.ts'

/** The prices of the tables; a price without one for cached tokens charges them as fresh ones. */
export const prices: Prices = {
  find(provider, model) {
    const declared = provider.pricing[model]
    if (declared) return price(declared, `AIProvider/${provider.name}`)
    const listed = priceOf(provider.preset, model)
    return listed && price(listed, 'built-in')
  },
}

function price({ input, output, cachedInput, cacheWrite, maxOutputTokens }: ModelPrice, source: string): Price {
  return { input, output, cachedInput: cachedInput ?? input, cacheWrite: cacheWrite ?? input, maxOutputTokens, source }
}
