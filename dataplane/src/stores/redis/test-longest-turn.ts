// How long the event loop is held up, in CPU time of its own thread: other processes on the machine do not count.

/** Measures from now until called; gives the milliseconds of the longest turn. */
export function longestTurn(): () => number {
  let longest = 0
  let on = true
  let before = process.threadCpuUsage()
  const look = (): void => {
    const { user, system } = process.threadCpuUsage(before)
    before = process.threadCpuUsage()
    longest = Math.max(longest, (user + system) / 1_000)
    if (on) setImmediate(look)
  }
  setImmediate(look)
  return () => {
    on = false
    return longest
  }
}
