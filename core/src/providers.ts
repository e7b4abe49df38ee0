// The provider rows, read from providers.json: everything the gateway knows of a provider by name. Adding one is adding
// a row.
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { Pattern } from './resources/metadata.ts'

/** The wire formats of model calls. */
export const FORMAT_NAMES = ['openai-chat', 'anthropic-messages'] as const
export type FormatName = (typeof FORMAT_NAMES)[number]

/** Paths below a base URL, by format. */
export type FormatPaths = Readonly<Partial<Record<FormatName, string>>>

/** Where a server that copies a format's inventor expects its calls. */
const USUAL_PATHS: Readonly<Record<FormatName, string>> = {
  'openai-chat': '/chat/completions',
  'anthropic-messages': '/messages',
}

const Variable = z.string().regex(/^[A-Z][A-Z0-9_]*$/)

const Row = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/),
  displayName: z.string().min(1),
  prefixes: z.array(z.string().regex(/^[a-z0-9][a-z0-9_-]*\/$/)).min(1),
  models: z.array(Pattern),
  variables: z.strictObject({ apiKey: Variable.optional(), baseURL: Variable.optional() }),
  baseURL: z.url(),
  auth: z.strictObject({ header: z.string().regex(/^[a-z0-9-]+$/), scheme: z.string().optional() }).optional(),
  formats: z
    .partialRecord(z.enum(FORMAT_NAMES), z.string().startsWith('/'))
    .refine(paths => Object.keys(paths).length > 0, { error: 'names no format' }),
  needsCredential: z.boolean(),
  local: z.boolean().optional(),
  demo: z.boolean().optional(),
  streamUsage: z.boolean(),
  takesBareNames: z.boolean().optional(),
})

/**
 * A provider. A model that begins with one of `prefixes` is the provider's, the prefix stripped; a bare one when a
 * pattern of `models` fits. `variables` name the environment of a standalone run; a base URL there without a path gets
 * the row's path. `auth` says which header carries a credential if there is one (absent: none is ever sent). `local`:
 * runs on one's own machine, so loopback is allowed standalone and calls cost nothing. `demo`: the demo upstream
 * itself, standalone only. `formats`: the paths of the wire formats it speaks. `streamUsage`: accepts `stream_options.include_usage`. `takesBareNames`: a bare name that no
 * rule knows goes here when it is configured (L03).
 */
export type ProviderRow = Readonly<z.infer<typeof Row>>

const rows: readonly ProviderRow[] = z
  .array(Row)
  .parse(JSON.parse(readFileSync(new URL('./providers.json', import.meta.url), 'utf8')))

const byName = new Map(rows.map(row => [row.name, row]))

/** Every row, in the order of providers.json. */
export function providerRows(): readonly ProviderRow[] {
  return rows
}

/** The row that a preset names, or undefined. */
export function providerRow(name: string): ProviderRow | undefined {
  return byName.get(name)
}

/**
 * The formats in which a provider can be called, with their paths below its base URL: its row's, or the one that its
 * object declares in their place. None when its row is not there.
 */
export function formatPaths({ preset, format }: { preset: string; format?: FormatName | undefined }): FormatPaths {
  const paths = byName.get(preset)?.formats ?? {}
  return format === undefined ? paths : { [format]: paths[format] ?? USUAL_PATHS[format] }
}
