// The Secret of core/v1, read from a folder that plays Kubernetes. Its values never appear in messages.
import { z } from 'zod'
import { ObjectMeta } from './metadata.ts'

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const MAX_ENTRIES = 64

/** Only what the gateway needs of it: text values, plain or base64. */
export const Secret = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Secret'),
  metadata: ObjectMeta,
  type: z.string().max(253).optional(),
  immutable: z.boolean().optional(),
  stringData: z.record(z.string(), z.string().max(65_536)).optional(),
  data: z
    .record(
      z.string(),
      z.string().max(131_072).regex(BASE64, { error: 'must be base64; write plain text under stringData instead' }),
    )
    .refine(data => Object.keys(data).length <= MAX_ENTRIES, { error: `has more than ${MAX_ENTRIES} entries` })
    .optional(),
})
export type Secret = z.infer<typeof Secret>

/** Secret values by `namespace/name`, then by key, decoded. */
export type SecretValues = ReadonlyMap<string, Readonly<Record<string, string>>>

/** A Secret's values; `stringData` wins over `data`, as in Kubernetes. */
export function secretValues(secret: Secret): Record<string, string> {
  const decoded = Object.entries(secret.data ?? {}).map(([key, value]) => [
    key,
    Buffer.from(value, 'base64').toString(),
  ])
  return { ...Object.fromEntries(decoded), ...secret.stringData }
}
