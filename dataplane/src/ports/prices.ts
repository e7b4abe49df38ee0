// What a model costs at a provider. Exact names and declared aliases only: an unknown price is flagged, never guessed (K07).
import type { ProviderItem } from '@smartflow/core/snapshot/items'
import type { Price } from '../exchange/usage.ts'

export interface Prices {
  /** The price of `model` at this provider: its own `pricing` first, then the built-in table. */
  find(provider: ProviderItem, model: string): Price | undefined
}
