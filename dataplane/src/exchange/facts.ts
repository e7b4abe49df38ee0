// The trace of a call: typed facts, only ever appended. audit folds it into the record, server/ makes headers from it;
// no stage reads another stage's facts to decide (design: Life of a call).
import type { Micros } from '@smartflow/core/money'
import type { BudgetState, RateState } from './limits.ts'
import type { RefusalReason } from './refusal.ts'
import type { Usage } from './usage.ts'

/** On whose behalf the key calls, by which chain, which policies concern it, and what they say about keeping the content; `maxBytes` a side. */
export interface IdentifiedFact {
  readonly kind: 'identified'
  readonly user: string | undefined
  readonly policies: readonly string[]
  readonly chain: string | undefined
  readonly content: { readonly keep: boolean; readonly maxBytes: number }
}

/** The hold that admission took; `degraded` names what was down and so not asked. */
export interface Held {
  readonly kind: 'held'
  readonly amount: Micros
  readonly budgets: readonly BudgetState[]
  readonly rates: readonly RateState[]
  readonly degraded: 'ledger' | undefined
}

/** Something that a guardrail found; the text itself is never kept. */
export interface Violation {
  readonly policy: string
  readonly guardrail: string
  readonly entity: string
  readonly count: number
  /** What was done about it; `Shadow` would have, had it been in force. */
  readonly action: 'Block' | 'Redact' | 'AllowAndLog'
  readonly shadow: boolean
}

/** What the guardrails said of one direction. One such fact a direction that was looked at. */
export interface Verdict {
  readonly kind: 'verdict'
  readonly direction: 'request' | 'reply'
  /** Policies whose guardrails were in force. */
  readonly policies: readonly string[]
  /** The strongest action taken. */
  readonly action: 'allow' | 'log' | 'redact' | 'block'
  readonly violations: readonly Violation[]
  /** 0 to 1. */
  readonly riskScore: number
  /** The request with what was found masked, for records: set when something was found and was not allowed to stay. */
  readonly masked: Buffer | undefined
}

const STRENGTH: readonly Verdict['action'][] = ['allow', 'log', 'redact', 'block']

/** The strongest of several actions; `allow` of none. */
export function strongest(actions: readonly Verdict['action'][]): Verdict['action'] {
  return STRENGTH[Math.max(0, ...actions.map(action => STRENGTH.indexOf(action)))] ?? 'allow'
}

/** What the cache said. `hit` undefined: not asked, or a miss. */
export interface LookedUp {
  readonly kind: 'looked-up'
  readonly key: string
  readonly phase: 'exact'
  readonly hit: 'memory' | 'redis' | 'flight' | undefined
  /** Who gave the remembered answer; undefined for a miss. */
  readonly provider: string | undefined
  readonly model: string | undefined
  /** Tokens that the hit saved; 0 for a miss. */
  readonly tokensSaved: number
  /** What the hit would have cost, micro-dollars; 0 for a miss. */
  readonly costSaved: Micros
}

/** One call to one upstream; milliseconds. `status` is 0 when no answer came. */
export interface Attempted {
  readonly kind: 'attempted'
  readonly target: string
  readonly provider: string
  readonly model: string
  readonly status: number
  readonly durationMs: number
  readonly error: string | undefined
}

/** What the reply used and which model the provider says it was. */
export interface Used {
  readonly kind: 'used'
  readonly usage: Usage
  readonly model: string | undefined
  readonly finish: string | undefined
}

/** What was charged. `priced: false`: the price is unknown, the amount is then 0 and the record says so (K07). */
export interface Settled {
  readonly kind: 'settled'
  readonly cost: Micros
  readonly priced: boolean
}

/** Why the gateway itself said no. */
export interface Refused {
  readonly kind: 'refused'
  readonly reason: RefusalReason
  readonly status: number
  readonly message: string
}

export type Fact = IdentifiedFact | Held | Verdict | LookedUp | Attempted | Used | Settled | Refused

/** The append-only list of facts of one exchange. */
export type Trace = Fact[]

/** The newest fact of a kind, or undefined. */
export function factOf<K extends Fact['kind']>(
  trace: readonly Fact[],
  kind: K,
): Extract<Fact, { kind: K }> | undefined {
  for (let i = trace.length - 1; i >= 0; i--) {
    const fact = trace[i]
    if (fact !== undefined && fact.kind === kind) return fact as Extract<Fact, { kind: K }>
  }
  return undefined
}
