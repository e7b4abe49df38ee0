// Kind FallbackChain: where calls for some models go, target after target until one answers.
import { z } from 'zod'
import { LocalRef, ModelName, namespacedKind, ObjectName, Pattern } from './metadata.ts'

const Target = z.strictObject({ name: ObjectName, providerRef: LocalRef, model: ModelName.optional() })

const spec = z.strictObject({
  models: z.array(Pattern).min(1).max(64),
  strategy: z.enum(['Priority']).default('Priority'),
  targets: z
    .array(Target)
    .min(1)
    .max(16)
    .refine(targets => new Set(targets.map(target => target.name)).size === targets.length, {
      error: 'names a target twice; target names are unique in a chain',
    }),
})

/** Targets are tried in their order; one without `model` gets the model that was asked for. */
export const FallbackChain = namespacedKind('FallbackChain', spec)
export type FallbackChain = z.infer<typeof FallbackChain>
