import { afterEach, describe, expect, it, vi } from 'vitest'
import { SecretReader } from './secrets.ts'

const NAME = 'acme/app-key'

function reader(get: () => Promise<undefined>): SecretReader {
  const one = new SecretReader({ client: { get }, onChange: () => undefined, now: Date.now, failed: () => undefined })
  one.start()
  return one
}

afterEach(() => {
  vi.useRealTimers()
})

describe('a Secret that is to be looked at again', () => {
  it('is so after the spacing, however often that is asked for', async () => {
    vi.useFakeTimers()
    const get = vi.fn<() => Promise<undefined>>(() => Promise.resolve(undefined))
    const one = reader(get)
    one.put({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'app-key', namespace: 'acme', uid: 'u', resourceVersion: '1' },
      data: { token: 'eA==' },
    })
    for (let times = 0; times < 10; times++) one.refresh(NAME, 5_000)
    await vi.advanceTimersByTimeAsync(4_000)
    expect(get).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1_500)
    expect(get).toHaveBeenCalledOnce()
    expect(one.live(NAME)).toBeUndefined()
    one.stop()
  })
})
