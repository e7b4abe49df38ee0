// A machine that tests share stands still now and then: what that took is not the program's.
const EVERY_MS = 10

/** Begins to watch; the function given ends that and tells how long this process stood still at most, milliseconds. */
export function watchStandstill(): () => number {
  let longest = 0
  let last = performance.now()
  const look = (): void => {
    const now = performance.now()
    longest = Math.max(longest, now - last - EVERY_MS)
    last = now
  }
  const timer = setInterval(look, EVERY_MS)
  return () => {
    clearInterval(timer)
    look()
    return longest
  }
}
