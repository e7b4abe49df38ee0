// Names of Claude models: the suffix that asks for the long context, and what a version takes.
import type { CallHeaders } from '../../../exchange/call.ts'
import type { JsonObject } from '../../../exchange/json.ts'
import { header } from '../call-headers.ts'

const LONG_CONTEXT = '[1m]'

/** The beta that the suffix `[1m]` of a model's name stands for. */
export const LONG_CONTEXT_BETA = 'context-1m-2025-08-07'

/** The model as the caller named it, suffix and all: the header wins (L11). */
export function askedModel(body: JsonObject, headers: CallHeaders): unknown {
  return header(headers, 'x-smartflow-model') ?? body['model']
}

/** The call asks for the long context by its model's name. */
export function asksLongContext(body: JsonObject, headers: CallHeaders): boolean {
  const asked = askedModel(body, headers)
  return typeof asked === 'string' && asked.endsWith(LONG_CONTEXT)
}

/** The name as routes, policies and providers know it. */
export function withoutSuffix(name: unknown): unknown {
  return typeof name === 'string' && name.endsWith(LONG_CONTEXT) ? name.slice(0, -LONG_CONTEXT.length) : name
}

/** What a model takes. */
export interface ModelManners {
  /** Takes temperature, top_p, top_k. */
  readonly samples: boolean
  /** How it is made to think. */
  readonly thinks: 'never' | 'budget' | 'adaptive'
  /** `four`: low, medium, high, max. `five`: xhigh as well. */
  readonly efforts: 'four' | 'five'
}

/** `claude-3-7-sonnet-20250219`, `claude-opus-4-20250514`, `claude-sonnet-5`: numbers, not dates. */
const VERSION = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/

/** By the version in the name: 3.7, 4.6 and 4.7 changed it. A name without one is taken for a new model that samples. */
export function modelManners(model: string): ModelManners {
  const found = VERSION.exec(model)
  if (!found) return { samples: true, thinks: 'adaptive', efforts: 'five' }
  const version = Number(found[1]) * 100 + Number(found[2] ?? 0)
  if (version < 307) return { samples: true, thinks: 'never', efforts: 'four' }
  if (version < 406) return { samples: true, thinks: 'budget', efforts: 'four' }
  return version < 407
    ? { samples: true, thinks: 'adaptive', efforts: 'four' }
    : { samples: false, thinks: 'adaptive', efforts: 'five' }
}
