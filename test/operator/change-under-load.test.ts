// Changes while calls flow: none of the calls fails, and every data plane serves each change soon. The upstream listens on
// an address of this machine that is not the loopback one, which clusters refuse; the provider allows a private endpoint.
import { expect, inject } from 'vitest'
import { startUpstream } from '../../bench/upstream.ts'
import { startBigStack } from './big-stack.ts'
import { changeUnderLoad } from './change-under-load.ts'
import { test } from './cluster-test.ts'
import { machineAddress } from '../../hack/machine-address.ts'

/** What two cores can bear beside everything else; `make prove-operator` does the full figure. */
const [RATE, SECONDS, CHANGES] = [100, 20, 30]
/** Generous: the machine may be doing much else. */
const PROPAGATION_MS = 10_000

test('no call fails while routes, keys and providers change', { timeout: 240_000 }, async ({ cluster: _, skip }) => {
  const address = machineAddress() ?? skip('this machine has no address but the loopback one')
  const upstream = await startUpstream(0, address)
  const stack = await startBigStack(inject('redisUrl'), 'under-load')
  try {
    const options = { rate: RATE, seconds: SECONDS, changes: CHANGES, upstream: `${upstream.url}/v1` }
    const { load, propagation, served } = await changeUnderLoad(stack, options)
    const calls = { ok: (RATE / 2) * SECONDS, failed: 0, wrong: 0, errors: {} }
    expect(load).toMatchObject([calls, calls])
    expect(propagation.count).toBe(CHANGES)
    expect(propagation.p99).toBeLessThan(PROPAGATION_MS)
    expect(served.model).toBe(served.wanted)
  } finally {
    await stack.close()
    await upstream.stop()
  }
})
