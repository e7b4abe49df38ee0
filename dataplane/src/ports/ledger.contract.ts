// What every ledger must do, whatever it keeps its books in. Each adapter's test file calls `ledgerContract`.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Scope } from '../exchange/limits.ts'
import type { Admission, Hold, HoldRefusal, HoldRequest, Ledger } from './ledger.ts'

/** A store and the processes that share it. */
export interface LedgerWorld {
  /** A ledger of one more process. Closing it before its holds are settled is that process's crash. */
  ledger(leaseMs?: number): Ledger
  /** Lets time pass on the store's clock. */
  pass(ms: number): Promise<void>
  /** How long holds outlive their process, unless its ledger says otherwise. */
  readonly leaseMs: number
  end(): Promise<void>
}

/** How often the random interleavings are tried; each takes a few leases of the store's time. */
export interface LedgerContractOptions {
  readonly runs: number
}

let serial = 0
const unique = (what: string): string => `${what}-${process.pid}-${Date.now().toString(36)}-${serial++}`

/** A request of a fresh id; `scopes` say what is limited. */
function request(tenant: string, scopes: readonly Scope[], amount = 0, tokens = 0): HoldRequest {
  return { tenant, id: unique('call'), scopes, amount, tokens }
}

function budget(id: string, amount: number, period: 'Daily' | 'Monthly' | 'Lifetime' = 'Daily'): Scope {
  return { id, budget: { amount, period }, rateLimit: undefined }
}

function rate(id: string, rateLimit: NonNullable<Scope['rateLimit']>): Scope {
  return { id, budget: undefined, rateLimit }
}

/** The hold of an admission that must have been granted. */
function held(admission: Admission): Hold {
  if ('hold' in admission) return admission.hold
  throw new Error(`refused: ${JSON.stringify(admission.refusal)}`)
}

/** The refusal of an admission that must have been refused. */
function refused(admission: Admission): HoldRefusal {
  if ('refusal' in admission) return admission.refusal
  throw new Error('admitted')
}

/** Registers the tests; `open` gives a fresh world for each. */
export function ledgerContract(name: string, open: () => Promise<LedgerWorld>, options: LedgerContractOptions): void {
  describe(name, () => {
    let world: LedgerWorld
    let ledger: Ledger
    let tenant: string

    beforeEach(async () => {
      world = await open()
      ledger = world.ledger()
      tenant = unique('tenant')
    })

    afterEach(async () => {
      await ledger.close()
      await world.end()
    })

    /** Spent and held of a budget as an onlooker finds them. */
    const look = async (scope: Scope): Promise<{ spent: number; held: number }> => {
      const wide: Scope = { ...scope, budget: { amount: 1e12, period: scope.budget?.period ?? 'Daily' } }
      const hold = held(await ledger.admit(request(tenant, [wide])))
      hold.settle({ cost: 0, tokens: 0 })
      const state = hold.budgets[0]
      return { spent: state?.spent ?? -1, held: state?.held ?? -1 }
    }

    describe('budgets', () => {
      test('a hold counts until it is settled, then the real cost does', async () => {
        const scope = budget('key:a', 1000)
        const hold = held(await ledger.admit(request(tenant, [scope], 400)))
        expect(hold.budgets).toMatchObject([{ scope: 'key:a', limit: 1000, spent: 0, held: 400 }])
        expect(hold.degraded).toBe(false)
        hold.settle({ cost: 120, tokens: 0 })
        expect(await look(scope)).toEqual({ spent: 120, held: 0 })
      })

      test('what does not fit is refused and takes nothing, in any scope', async () => {
        const [key, team] = [budget('key:a', 10_000), budget('team:a', 500, 'Monthly')]
        const first = held(await ledger.admit(request(tenant, [key, team], 300)))
        const no = refused(await ledger.admit(request(tenant, [key, team], 201)))
        expect(no).toMatchObject({
          what: 'budget',
          period: 'Monthly',
          budget: { scope: 'team:a', spent: 0, held: 300 },
        })
        expect(await look(key)).toEqual({ spent: 0, held: 300 })
        first.settle({ cost: 300, tokens: 0 })
      })

      test('a budget can be used to its last micro-dollar, and then refuses free calls too', async () => {
        const scope = budget('key:a', 500)
        held(await ledger.admit(request(tenant, [scope], 500))).settle({ cost: 500, tokens: 0 })
        expect(refused(await ledger.admit(request(tenant, [scope], 0))).what).toBe('budget')
      })

      test('a window says when it ends; a lifetime does not end', async () => {
        const scopes = [budget('key:a', 500), budget('key:b', 500, 'Lifetime')]
        const hold = held(await ledger.admit(request(tenant, scopes)))
        expect((hold.budgets[0]?.resetAt ?? 0) % 86_400_000).toBe(0)
        expect(hold.budgets[1]?.resetAt).toBeUndefined()
        hold.settle({ cost: 0, tokens: 0 })
      })

      test('a settlement takes effect once', async () => {
        const scope = budget('key:a', 1000)
        const hold = held(await ledger.admit(request(tenant, [scope], 400)))
        for (const cost of [100, 200, 300]) hold.settle({ cost, tokens: 0 })
        expect(await look(scope)).toEqual({ spent: 100, held: 0 })
      })

      test('a call that cost more than was held is charged in full', async () => {
        const scope = budget('key:a', 1000)
        held(await ledger.admit(request(tenant, [scope], 900))).settle({ cost: 1500, tokens: 0 })
        expect(await look(scope)).toEqual({ spent: 1500, held: 0 })
      })

      test('tenants with scopes of the same name know nothing of each other', async () => {
        const scope = budget('key:a', 1000)
        held(await ledger.admit(request(unique('tenant'), [scope], 1000))).settle({ cost: 1000, tokens: 0 })
        expect(await look(scope)).toEqual({ spent: 0, held: 0 })
      })

      test('what is not limited is always admitted', async () => {
        const open: Scope = { id: 'key:a', budget: undefined, rateLimit: undefined }
        const hold = held(await ledger.admit(request(tenant, [open], 1e9, 1e9)))
        expect(hold).toMatchObject({ budgets: [], rates: [], degraded: false })
        hold.settle({ cost: 5, tokens: 5 })
      })
    })

    describe('rates', () => {
      test('requests a minute are refused when used up, with a time after which one passes', async () => {
        const scope = rate('key:a', { rpm: 120 })
        const from = performance.now()
        let admitted = 0
        let admission = await ledger.admit(request(tenant, [scope]))
        for (; 'hold' in admission && admitted < 1000; admitted++) {
          admission.hold.settle({ cost: 0, tokens: 0 })
          admission = await ledger.admit(request(tenant, [scope]))
        }
        expect(admitted).toBeGreaterThanOrEqual(120)
        // Meanwhile one more every half second; the store's clock may be a moment further than ours.
        expect(admitted).toBeLessThanOrEqual(120 + Math.floor((performance.now() - from + 2) / 500))
        const no = refused(admission)
        if (no.what !== 'requests') throw new Error(`refused for ${no.what}`)
        expect(no.rate).toMatchObject({ scope: 'key:a', limit: 120, remaining: 0 })
        expect(no.retryAfterMs).toBeGreaterThan(0)
        expect(no.retryAfterMs).toBeLessThanOrEqual(500)
        await world.pass(no.retryAfterMs + 2)
        held(await ledger.admit(request(tenant, [scope])))
      })

      test('tokens are counted as asked for and corrected to what was used', async () => {
        const scope = rate('key:a', { tpm: 1000 })
        const hold = held(await ledger.admit(request(tenant, [scope], 0, 600)))
        expect(hold.rates).toMatchObject([{ what: 'tokens', limit: 1000, remaining: 400 }])
        expect(refused(await ledger.admit(request(tenant, [scope], 0, 600))).what).toBe('tokens')
        hold.settle({ cost: 0, tokens: 100 })
        held(await ledger.admit(request(tenant, [scope], 0, 600)))
      })

      test('a call that used more than it asked for leaves a debt that time pays', async () => {
        const scope = rate('key:a', { tpm: 60_000 })
        held(await ledger.admit(request(tenant, [scope], 0, 100))).settle({ cost: 0, tokens: 62_000 })
        const no = refused(await ledger.admit(request(tenant, [scope], 0, 1)))
        if (no.what !== 'tokens') throw new Error(`refused for ${no.what}`)
        expect(no.retryAfterMs).toBeLessThanOrEqual(2_001)
        await world.pass(no.retryAfterMs + 2)
        held(await ledger.admit(request(tenant, [scope], 0, 1)))
      })

      test('what is given back late never makes a bucket more than full', async () => {
        const scope = rate('key:a', { tpm: 60_000 })
        const hold = held(await ledger.admit(request(tenant, [scope], 0, 2_000)))
        await world.pass(2_002)
        hold.settle({ cost: 0, tokens: 0 })
        held(await ledger.admit(request(tenant, [scope], 0, 60_000)))
        expect(refused(await ledger.admit(request(tenant, [scope], 0, 1_500))).what).toBe('tokens')
      })

      test('a call larger than the whole bucket passes when the bucket is full', async () => {
        const scope = rate('key:a', { tpm: 1000 })
        held(await ledger.admit(request(tenant, [scope], 0, 5000))).settle({ cost: 0, tokens: 0 })
        held(await ledger.admit(request(tenant, [scope], 0, 100)))
        expect(refused(await ledger.admit(request(tenant, [scope], 0, 5000))).what).toBe('tokens')
      })

      test('calls at once are limited, and a call that ends makes room', async () => {
        const scope = rate('key:a', { concurrency: 2 })
        const first = held(await ledger.admit(request(tenant, [scope])))
        held(await ledger.admit(request(tenant, [scope])))
        expect(refused(await ledger.admit(request(tenant, [scope])))).toMatchObject({
          what: 'concurrency',
          rate: { limit: 2, remaining: 0 },
        })
        first.settle({ cost: 0, tokens: 0 })
        held(await ledger.admit(request(tenant, [scope])))
      })

      test('a refusal by one scope takes from no other', async () => {
        const [key, team] = [rate('key:a', { rpm: 10, tpm: 10 }), rate('team:a', { concurrency: 1 })]
        const first = held(await ledger.admit(request(tenant, [team])))
        expect(refused(await ledger.admit(request(tenant, [key, team], 0, 10))).what).toBe('concurrency')
        first.settle({ cost: 0, tokens: 0 })
        const hold = held(await ledger.admit(request(tenant, [key, team], 0, 10)))
        expect(hold.rates).toMatchObject([
          { scope: 'team:a', what: 'concurrency', remaining: 0 },
          { scope: 'key:a', what: 'requests', remaining: 9 },
          { scope: 'key:a', what: 'tokens', remaining: 0 },
        ])
      })
    })

    describe('several processes', () => {
      test('share one budget, and a crashed one gives its holds back when its lease is over', async () => {
        const scopes = [budget('key:a', 1000), rate('key:a', { concurrency: 3 })]
        const leaseMs = 2_000 // long enough that it renews it in time until it crashes
        const doomed = world.ledger(leaseMs)
        held(await doomed.admit(request(tenant, scopes, 600))).settle({ cost: 50, tokens: 0 })
        held(await doomed.admit(request(tenant, scopes, 600)))
        await doomed.drain(10_000)
        expect(refused(await ledger.admit(request(tenant, scopes, 600))).what).toBe('budget')
        await doomed.close()
        await world.pass(leaseMs + 50)
        const hold = held(await ledger.admit(request(tenant, scopes, 600)))
        expect(hold.budgets).toMatchObject([{ spent: 50, held: 600 }])
        expect(hold.rates).toMatchObject([{ what: 'concurrency', remaining: 2 }])
        hold.settle({ cost: 0, tokens: 0 })
      })

      test('never overspend in any interleaving when calls cost what was held or less, and leave nothing held', async () => {
        const step = fc.record({
          process: fc.nat(1),
          amount: fc.integer({ min: 0, max: 400 }),
          share: fc.integer({ min: 0, max: 100 }),
          does: fc.constantFrom('admit', 'admit', 'settle', 'settle twice', 'crash'),
        })
        const steps = fc.array(step, { minLength: 5, maxLength: 40 })
        await fc.assert(
          fc.asyncProperty(steps, async plan => {
            await interleave(world, unique('tenant'), plan)
          }),
          { numRuns: options.runs },
        )
      })
    })
  })
}

interface Step {
  readonly process: number
  readonly amount: number
  /** Percent of the amount that the call really costs. */
  readonly share: number
  readonly does: 'admit' | 'settle' | 'settle twice' | 'crash'
}

interface Actor {
  ledger: Ledger
  readonly holds: { readonly hold: Hold; readonly amount: number }[]
}

/** Plays the steps with two processes on one budget of 1000 and checks the books at each admission and at the end. */
async function interleave(world: LedgerWorld, tenant: string, steps: readonly Step[]): Promise<void> {
  const scopes = [budget('key:a', 1000, 'Lifetime'), rate('key:a', { concurrency: 5 })]
  const actors: Actor[] = [0, 1].map(() => ({ ledger: world.ledger(), holds: [] }))
  let charged = 0
  const settle = (actor: Actor, share: number, times: number): void => {
    const taken = actor.holds.shift()
    if (taken === undefined) return
    const cost = Math.floor((taken.amount * share) / 100)
    charged += cost
    for (let i = 0; i < times; i++) taken.hold.settle({ cost, tokens: 0 })
  }
  for (const { process, amount, share, does } of steps) {
    const actor = actors[process]
    if (actor === undefined) continue
    if (does === 'admit') await admitInto(actor, request(tenant, scopes, amount))
    else if (does === 'crash') await crash(actor, world)
    else settle(actor, share, does === 'settle' ? 1 : 2)
  }
  for (const actor of actors) {
    while (actor.holds.length > 0) settle(actor, 100, 1)
    await actor.ledger.drain(10_000)
    await actor.ledger.close()
  }
  await world.pass(world.leaseMs + 50)
  await expectAtRest(world, tenant, charged)
}

async function admitInto(actor: Actor, asked: HoldRequest): Promise<void> {
  const admission = await actor.ledger.admit(asked)
  if ('refusal' in admission) return
  const state = admission.hold.budgets[0]
  expect((state?.spent ?? NaN) + (state?.held ?? NaN)).toBeLessThanOrEqual(1000)
  actor.holds.push({ hold: admission.hold, amount: asked.amount })
}

/** What was settled before is told; what was not comes back by the lease. */
async function crash(actor: Actor, world: LedgerWorld): Promise<void> {
  await actor.ledger.drain(10_000)
  await actor.ledger.close()
  actor.holds.length = 0
  actor.ledger = world.ledger()
}

/** After every lease is over: nothing held, nobody in flight, and every cost charged once. */
async function expectAtRest(world: LedgerWorld, tenant: string, charged: number): Promise<void> {
  const onlooker = world.ledger()
  const scopes = [budget('key:a', 1e12, 'Lifetime'), rate('key:a', { concurrency: 1000 })]
  // One sweep an admission: as many as processes may have crashed.
  for (let i = 0; i < 41; i++) held(await onlooker.admit(request(tenant, scopes))).settle({ cost: 0, tokens: 0 })
  await onlooker.drain(10_000)
  const hold = held(await onlooker.admit(request(tenant, scopes)))
  expect(hold.budgets).toMatchObject([{ spent: charged, held: 0 }])
  expect(hold.rates).toMatchObject([{ what: 'concurrency', remaining: 999 }])
  hold.settle({ cost: 0, tokens: 0 })
  await onlooker.drain(10_000)
  await onlooker.close()
}
