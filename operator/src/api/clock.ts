// Time as the operator uses it, so that tests can move it.

export interface Clock {
  /** Milliseconds that only go forward; comparable within this process only. */
  now(): number
  /** Wall-clock milliseconds, for timestamps that others read. */
  date(): number
  /** Ends early, without an error, when the signal fires; and after some 24 days at the latest. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Node takes a longer timer for one that is due at once. */
const LONGEST_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise(resolve => {
      if (signal?.aborted) return resolve()
      const end = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, Math.min(ms, LONGEST_MS))
      signal?.addEventListener('abort', end, { once: true })
    }),
}
