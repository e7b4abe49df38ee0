// How hard a model is to think, in the words that its version takes.
import type { JsonObject } from '../../../exchange/json.ts'
import type { NeutralMessage, NeutralRequest } from '../../neutral.ts'
import type { Losses } from '../losses.ts'
import type { ModelManners } from './model-name.ts'

/** What a request says of reasoning. */
export interface Reasoning {
  readonly thinking: JsonObject | undefined
  readonly effort: string | undefined
  /** Tokens that thinking takes of `max_tokens`; 0 when there is no fixed budget. */
  readonly budget: number
}

const NONE: Reasoning = { thinking: undefined, effort: undefined, budget: 0 }

/** Tokens of thought for models that take a budget. */
const BUDGETS: ReadonlyMap<string, number> = new Map([
  ['minimal', 1_024],
  ['low', 2_048],
  ['medium', 8_192],
  ['high', 16_384],
])
const LARGEST_BUDGET = 32_000
const SMALLEST_BUDGET = 1_024
/** This share of the caller's bound may be thought; the rest is for the answer. */
const SHARE = 0.8

const EFFORTS = new Set(['low', 'medium', 'high', 'xhigh', 'max'])

/** What the model cannot do is named `reasoning`. Off is what a request without a word means. */
export function encodeReasoning(request: NeutralRequest, manners: ModelManners, losses: Losses): Reasoning {
  const { reasoning, toolChoice } = request
  if (reasoning === undefined || reasoning.off === true) return NONE
  const forced = toolChoice?.kind === 'required' || toolChoice?.kind === 'tool'
  // The API refuses thinking with a forced tool, and with a budget in the middle of a turn that began without it.
  if (
    forced ||
    manners.thinks === 'never' ||
    (manners.thinks === 'budget' && resumesWithoutThought(request.messages))
  ) {
    losses.add('reasoning')
    return NONE
  }
  return manners.thinks === 'budget' ? withBudget(request, losses) : adaptive(request, manners, losses)
}

function withBudget({ reasoning, maxTokens }: NeutralRequest, losses: Losses): Reasoning {
  const wanted = reasoning?.budgetTokens ?? BUDGETS.get(reasoning?.effort ?? 'medium') ?? LARGEST_BUDGET
  const budget = Math.min(wanted, maxTokens === undefined ? wanted : Math.floor(maxTokens * SHARE))
  if (budget < SMALLEST_BUDGET) {
    losses.add('reasoning')
    return NONE
  }
  return { thinking: { type: 'enabled', budget_tokens: budget }, effort: undefined, budget }
}

function adaptive({ reasoning }: NeutralRequest, { efforts }: ModelManners, losses: Losses): Reasoning {
  const asked = reasoning?.effort
  const thinking = { type: 'adaptive' }
  if (reasoning?.budgetTokens !== undefined) losses.add('reasoning')
  if (asked === undefined) return { ...NONE, thinking }
  const known = asked === 'minimal' ? 'low' : asked
  const effort = efforts === 'four' && known === 'xhigh' ? 'high' : known
  if (effort !== asked) losses.add('reasoning')
  if (EFFORTS.has(effort)) return { ...NONE, thinking, effort }
  losses.add('reasoning')
  return { ...NONE, thinking }
}

/** The last turn is in the middle of its tool calls and holds no thought of its own. */
function resumesWithoutThought(messages: readonly NeutralMessage[]): boolean {
  const last = messages.at(-1)
  if (!last?.parts.some(({ kind }) => kind === 'tool-result')) return false
  const called = messages.findLast(({ role }) => role === 'assistant')
  return !called?.parts.some(part => part.kind === 'redacted-thinking' || (part.kind === 'thinking' && part.signature))
}
