import { describe, expect, it, vi } from 'vitest'
import { eventually } from '../../../test/e2e/gateway.ts'
import { Rollout } from './rollout.ts'

const slice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'a', uid: 'a', resourceVersion: '1', labels: { 'kubernetes.io/service-name': 'gateway' } },
  endpoints: [{ conditions: { ready: true }, targetRef: { kind: 'Pod', name: 'pod-1', uid: 'u1' } }],
}

let service = 'gateway'

function rollout(changed: () => void): Rollout {
  service = 'gateway'
  return new Rollout({
    observed: { endpointSlices: () => [slice] },
    acks: () => undefined,
    serviceName: () => service,
    ackTimeoutMs: () => 30_000,
    now: () => 0,
    changed,
    failed: () => undefined,
  })
}

describe('a rollout', () => {
  it('knows nothing before it looked, whatever it is told to', () => {
    const one = rollout(() => undefined)
    one.touch()
    expect(one.looked()).toBe(false)
  })

  it('says so when it has looked, and what it found', async () => {
    const changed = vi.fn<() => void>()
    const one = rollout(changed)
    one.start()
    await eventually('it has looked', () => one.looked())
    expect(changed).toHaveBeenCalledOnce()
    expect(one.state()).toEqual({ store: 'away', pods: [{ uid: 'u1', name: 'pod-1', counted: true, ack: undefined }] })
    await one.stop()
  })

  it('has not looked at another Service until it did', async () => {
    const changed = vi.fn<() => void>()
    const one = rollout(changed)
    one.start()
    await eventually('it has looked', () => one.looked())
    service = 'another'
    expect(one.looked()).toBe(false)
    one.touch()
    await eventually('it has looked there', () => one.looked())
    expect(changed).toHaveBeenCalledTimes(2)
    expect(one.state().pods).toEqual([])
    await one.stop()
  })

  it('does not begin after its end', async () => {
    const one = rollout(() => undefined)
    await one.stop()
    one.start()
    expect(one.looked()).toBe(false)
  })
})
