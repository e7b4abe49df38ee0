// Conditions and times as they stand in a status, and reading back what was written there before.
import { z } from 'zod'

const WrittenCondition = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  observedGeneration: z.int().optional(),
  lastTransitionTime: z.string(),
})
/** A condition with its times. */
export type WrittenCondition = z.infer<typeof WrittenCondition>

const Previous = z.object({
  conditions: z.array(WrittenCondition).catch([]).default([]),
  config: z.object({ epoch: z.int(), generation: z.int(), digest: z.string() }).optional().catch(undefined),
})

/** A time (milliseconds since the epoch) as the API server writes those of conditions: whole seconds. */
export function writtenTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** What a status said, as far as it can be read; an object nobody looked at yet has none. */
export function readPrevious(status: unknown): z.infer<typeof Previous> {
  const parsed = Previous.safeParse(status ?? {})
  return parsed.success ? parsed.data : { conditions: [] }
}
