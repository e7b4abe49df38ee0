// admit … account: takes a hold before the call, tells the ledger the real cost after it, exactly once on every exit.
import { formatUSD, type Micros } from '@smartflow/core/money'
import type { Admitted, Identified, Stage } from '../../exchange/stage.ts'
import { Refusal } from '../../exchange/refusal.ts'
import type { Charge, Reply } from '../../exchange/reply.ts'
import { watch } from '../../exchange/streams.ts'
import { NO_USAGE, costOf } from '../../exchange/usage.ts'
import type { Gateway } from '../../ports/gateway.ts'
import type { Hold, HoldRefusal } from '../../ports/ledger.ts'
import { lookUp } from '../cache/lookup.ts'
import { Calibration } from './calibration.ts'
import { estimate } from './estimate.ts'

/** Holds the dearest eligible target's price; the exact cache is asked in the same flush. Refusals are 429 (K02, K03). */
export function admit(gateway: Gateway): Stage<Identified, Admitted> {
  const calibration = new Calibration()
  return next => async exchange => {
    const { call, rights } = exchange
    const { amount, tokens } = estimate(call, rights.prices.values(), calibration.factor(call.model))
    const admission = gateway.ledger.admit({
      tenant: exchange.presented.tenant.item.name,
      id: exchange.id,
      scopes: rights.scopes,
      amount,
      tokens,
    })
    const lookup = lookUp(gateway, exchange)
    const answer = await admission
    if ('refusal' in answer) throw refusalOf(answer.refusal, amount, gateway.now())
    const { hold } = answer
    exchange.trace.push({
      kind: 'held',
      amount,
      budgets: hold.budgets,
      rates: hold.rates,
      degraded: hold.degraded ? 'ledger' : undefined,
    })
    let reply: Reply
    try {
      reply = await next({ ...exchange, lookup })
    } catch (error) {
      hold.settle({ cost: 0, tokens: 0 })
      throw error
    }
    return accounted(reply, { hold, exchange, calibration })
  }
}

interface Account {
  readonly hold: Hold
  readonly exchange: Identified
  readonly calibration: Calibration
}

/** The reply, charged when it ends, however it ends: what passed is paid for, a hit is free. */
function accounted(reply: Reply, account: Account): Reply {
  const { exchange, hold, calibration } = account
  const charge = (): Charge => chargeOf(reply, account)
  const frames = watch(reply.frames, {
    done() {
      const { cost, priced } = charge()
      const { usage, model, finish } = reply.meter.read()
      exchange.trace.push(
        { kind: 'used', usage: reply.servedBy === undefined ? NO_USAGE : usage, model, finish },
        { kind: 'settled', cost, priced },
      )
      if (reply.servedBy && usage.source === 'reported')
        calibration.learn(exchange.call.model, exchange.call.estimatedPromptTokens, usage.prompt)
      hold.settle({ cost, tokens: reply.servedBy === undefined ? 0 : usage.prompt + usage.completion })
    },
  })
  return { ...reply, frames, charge }
}

function chargeOf(reply: Reply, { exchange }: Account): Charge {
  if (reply.servedBy === undefined) return { cost: 0, priced: true }
  const price = exchange.rights.prices.get(reply.servedBy)
  return price === undefined
    ? { cost: 0, priced: false }
    : { cost: costOf(reply.meter.read().usage, price), priced: true }
}

const WHAT = { requests: 'requests a minute', tokens: 'tokens a minute', concurrency: 'calls at once' } as const

function refusalOf(refusal: HoldRefusal, amount: Micros, now: number): Refusal {
  if (refusal.what === 'unavailable') {
    return new Refusal(
      'ledger_unavailable',
      `The budget of ${refusal.scope} cannot be checked right now, and is set to refuse calls then; try again shortly.`,
      { retryAfter: 1 },
    )
  }
  if (refusal.what !== 'budget') {
    const { rate, retryAfterMs, what } = refusal
    const retryAfter = Math.max(1, Math.ceil(retryAfterMs / 1_000))
    return new Refusal(
      'rate_limited',
      `The limit of ${rate.limit} ${WHAT[what]} for ${rate.scope} is reached; try again in ${retryAfter} s.`,
      { retryAfter, rate },
    )
  }
  const { budget, period } = refusal
  const left = Math.max(0, budget.limit - budget.spent)
  const inFlight = budget.held > 0 ? `, ${formatUSD(budget.held)} of it held by calls in flight` : ''
  const message =
    `The ${period.toLowerCase()} budget of ${budget.scope} ($${formatUSD(budget.limit)}) has $${formatUSD(left)} left${inFlight}; ` +
    `this call may cost up to $${formatUSD(amount)}.`
  const retryAfter = budget.resetAt === undefined ? undefined : Math.max(1, Math.ceil((budget.resetAt - now) / 1_000))
  return new Refusal('budget_exceeded', message, {
    budget,
    ...(retryAfter === undefined ? {} : { retryAfter: budget.held > 0 ? Math.min(retryAfter, 1) : retryAfter }),
  })
}
