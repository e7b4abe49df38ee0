// What the guardrails found in one direction of a call: counted, and said as a fact and as a refusal. Never the text itself.
import { strongest, type Verdict, type Violation } from '../../exchange/facts.ts'
import { Refusal } from '../../exchange/refusal.ts'
import type { ActiveGuard, Watch } from './guards.ts'
import { riskOf } from './risk.ts'

type Counted = { -readonly [K in keyof Violation]: Violation[K] }

/** What an action amounts to. */
const TAKEN = { Block: 'block', Redact: 'redact', AllowAndLog: 'log' } as const

/** The entity that stands for a guardrail that failed. */
const ERROR = 'error'

const policyNames = new WeakMap<Watch['guards'], readonly string[]>()

/** Each once; the same guards look at call after call. */
function policiesOf(guards: Watch['guards']): readonly string[] {
  const known = policyNames.get(guards)
  if (known !== undefined) return known
  const names = [...new Set(guards.map(({ policy }) => policy))]
  policyNames.set(guards, names)
  return names
}

/** One a direction. */
export class Tally {
  readonly #direction: Watch['direction']
  readonly #policies: readonly string[]
  readonly #violations = new Map<string, Counted>()
  /** Something was found that a guardrail in force blocks. */
  blocked = false

  constructor({ direction, guards }: Watch) {
    this.#direction = direction
    this.#policies = policiesOf(guards)
  }

  /** `guard` found `entity` once. */
  add(guard: ActiveGuard, entity: string, action: ActiveGuard['action'] = guard.action): void {
    const { policy, name, shadow } = guard
    const key = `${policy}/${name}/${entity}/${action}`
    const known = this.#violations.get(key)
    if (known) known.count++
    else this.#violations.set(key, { policy, guardrail: name, entity, count: 1, action, shadow })
    if (action === 'Block' && !shadow) this.blocked = true
  }

  /** `guard` failed: what it would have said is not known, and it says itself what that means. */
  failed(guard: ActiveGuard): void {
    this.add(guard, ERROR, guard.onError === 'Block' ? 'Block' : 'AllowAndLog')
  }

  /** What should have been masked cannot be: it is blocked instead. */
  cannotMask(): void {
    for (const violation of this.#violations.values()) if (violation.action === 'Redact') violation.action = 'Block'
    this.blocked = true
  }

  /** `masked`: see Verdict. */
  verdict(masked: Buffer | undefined): Verdict {
    const common = { kind: 'verdict', direction: this.#direction, policies: this.#policies } as const
    if (this.#violations.size === 0) return { ...common, action: strongest([]), violations: [], riskScore: 0, masked }
    const violations = [...this.#violations.values()].map(violation => ({ ...violation }))
    return {
      ...common,
      action: strongest(this.#inForce().map(({ action }) => TAKEN[action])),
      violations,
      riskScore: riskOf(violations),
      masked,
    }
  }

  /** To be thrown when `blocked`. */
  refusal(): Refusal {
    const found = this.#inForce()
    return new Refusal('policy_blocked', this.#message(), {
      violations: found.map(({ policy, guardrail, entity }) => `${policy}/${guardrail}: ${entity}`),
      riskScore: riskOf(found),
      policies: this.#policies,
    })
  }

  #inForce(): readonly Violation[] {
    return [...this.#violations.values()].filter(({ shadow }) => !shadow)
  }

  #message(): string {
    const blocking = this.#inForce().filter(({ action }) => action === 'Block')
    const what = this.#direction === 'request' ? 'This request' : 'The answer to this request'
    const failed = blocking.every(({ entity }) => entity === ERROR)
    const why = [...Map.groupBy(blocking, ({ policy, guardrail }) => `"${guardrail}" of the policy "${policy}"`)]
      .map(([guardrail, found]) => `the guardrail ${guardrail} ${saidOf(found)}`)
      .join('; ')
    return `${what} was blocked for compliance: ${why}. ${this.#advice(failed)}`
  }

  #advice(failed: boolean): string {
    if (failed) return 'Try again; if it stays so, tell your administrator.'
    if (this.#direction === 'request') return 'Take that out and send it again, or ask your administrator.'
    return 'Ask for something else, or ask your administrator.'
  }
}

function saidOf(found: readonly Violation[]): string {
  const entities = [...new Set(found.map(({ entity }) => entity))].filter(entity => entity !== ERROR)
  return entities.length > 0 ? `found ${entities.join(', ')} in it` : 'failed, and is set to block then'
}
