// A remembered answer: the provider's whole body and what it used, so that a hit can say what it saved.
import { z } from 'zod'
import type { ReplyHeaders } from '../../exchange/reply.ts'
import type { Usage } from '../../exchange/usage.ts'

const Head = z.object({
  provider: z.string(),
  preset: z.string(),
  model: z.string(),
  until: z.int(),
  headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
  usage: z.object({
    prompt: z.int().nonnegative(),
    cachedPrompt: z.int().nonnegative(),
    cacheWrite: z.int().nonnegative().default(0),
    completion: z.int().nonnegative(),
    reasoning: z.int().nonnegative(),
    source: z.enum(['reported', 'counted']),
  }),
})

/** What is stored under a key. */
export interface Entry {
  /** The AIProvider, `namespace/name`, and its row. */
  readonly provider: string
  readonly preset: string
  /** The model that was asked of the provider: what its price is found by. */
  readonly model: string
  /** When it may be used no more, epoch milliseconds of the process that stored it. */
  readonly until: number
  /** Headers of the provider that the caller saw, and sees again. */
  readonly headers: ReplyHeaders
  readonly usage: Usage
  readonly body: Buffer
}

/** Length of the JSON head (4 bytes, big endian), the head, the body; the bytes are nobody else's, down to their memory. */
export function packEntry({ provider, preset, model, until, headers, usage, body }: Entry): Buffer {
  const json = JSON.stringify({ provider, preset, model, until, headers, usage })
  const length = Buffer.byteLength(json)
  const packed = Buffer.allocUnsafeSlow(4 + length + body.length)
  packed.writeUInt32BE(length, 0)
  packed.write(json, 4)
  packed.set(body, 4 + length)
  return packed
}

/** Throws for bytes that `packEntry` did not write. */
export function unpackEntry(bytes: Buffer): Entry {
  const bodyAt = 4 + bytes.readUInt32BE(0)
  const head = Head.parse(JSON.parse(bytes.subarray(4, bodyAt).toString('utf8')))
  return { ...head, body: bytes.subarray(bodyAt) }
}
