// A large installation in the small: everything becomes Ready, and then nothing is written any more, also not by the next
// operator. `make prove-operator` does the same at full size.
import { expect, inject } from 'vitest'
import { startBigStack } from './big-stack.ts'
import { test } from './cluster-test.ts'
import { measureScale } from './scale.ts'

/** Generous: the machine may be doing much else. */
const [READY_SECONDS, CHANGE_MS, TURN_MS] = [120, 10_000, 100]

test('300 keys become Ready, and then nothing is written', { timeout: 360_000 }, async ({ cluster: _ }) => {
  const stack = await startBigStack(inject('redisUrl'), 'at-scale')
  try {
    const size = { tenants: 10, chains: 20, keys: 300 }
    const report = await measureScale(stack, {
      ...size,
      changes: 10,
      quietSeconds: 12,
      withEvents: false,
      tell: () => {},
    })
    const { ready, change, turn, quiet, restart } = report
    expect(ready).toBeLessThan(READY_SECONDS)
    expect(change.p99).toBeLessThan(CHANGE_MS)
    expect(turn.most).toBeGreaterThan(0)
    expect(turn.most).toBeLessThan(TURN_MS)
    expect(onlyWrites(quiet.writes)).toEqual({})
    expect(onlyWrites(restart.writes)).toEqual({})
    expect(restart.calls).toMatchObject({ PATCH: 0, DELETE: 0 })
  } finally {
    await stack.close()
  }
})

function onlyWrites(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0))
}
