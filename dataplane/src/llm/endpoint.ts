// What a provider's endpoint speaks, and where: its row, unless the AIProvider says otherwise.
import { FORMAT_NAMES, formatPaths } from '@smartflow/core/providers'
import type { ProviderItem } from '@smartflow/core/snapshot/items'
import type { FormatName } from '../exchange/dialect.ts'

/** The wire formats of a provider, the one that calls of other formats are translated into first. */
export function formatsOf(provider: ProviderItem): readonly FormatName[] {
  const paths = formatPaths(provider)
  return FORMAT_NAMES.filter(name => paths[name] !== undefined)
}

/** Where a format of the provider is served. */
export function urlOf(provider: ProviderItem, format: FormatName): string {
  return provider.baseURL + (formatPaths(provider)[format] ?? '')
}
