import { afterEach, describe, expect, it, vi } from 'vitest'
import type { KubeObject } from '../api/resource-type.ts'
import { SecretReader } from './secrets.ts'

const NAME = 'acme/app-key'

const SECRET: KubeObject = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'app-key', namespace: 'acme', uid: 'u', resourceVersion: '1' },
  data: { token: 'eA==' },
}

function reader(get: () => Promise<KubeObject | undefined>): SecretReader {
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
    one.put(SECRET)
    for (let times = 0; times < 10; times++) one.refresh(NAME, 5_000)
    await vi.advanceTimersByTimeAsync(4_000)
    expect(get).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1_500)
    expect(get).toHaveBeenCalledOnce()
    expect(one.live(NAME)).toBeUndefined()
    one.stop()
  })

  it('is so too when that is asked for while a look is under way, which began too early', async () => {
    vi.useFakeTimers()
    const answers: ((secret: KubeObject) => void)[] = []
    const get = vi.fn<() => Promise<KubeObject>>(() => new Promise(done => void answers.push(done)))
    const one = reader(get)
    one.put(SECRET)
    one.refresh(NAME)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(get).toHaveBeenCalledOnce()
    one.refresh(NAME, 5_000)
    answers[0]?.(SECRET)
    await vi.advanceTimersByTimeAsync(4_000)
    expect(get).toHaveBeenCalledOnce()
    await vi.advanceTimersByTimeAsync(1_500)
    expect(get).toHaveBeenCalledTimes(2)
    answers[1]?.(SECRET)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(get).toHaveBeenCalledTimes(2)
    one.stop()
  })
})
