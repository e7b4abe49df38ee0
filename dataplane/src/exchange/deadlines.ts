// Deadlines of calls, looked at together: nearly every one is called off long before it is due, and a timer of its own for
// each would cost a call more than most of its stages.

/** How often deadlines are looked at, milliseconds: what comes due is acted on at most this much later. */
const LOOK_MS = 100

/** What is to happen at a deadline. The same function stands for the deadline when it is called off. */
export type Overdue = () => void

const due = new Map<Overdue, number>()
let timer: NodeJS.Timeout | undefined

/** Calls `overdue` once, at least `ms` from now and at most LOOK_MS later, unless it is called off. */
export function setDeadline(overdue: Overdue, ms: number): void {
  due.set(overdue, performance.now() + ms)
  timer ??= setInterval(afterReading, LOOK_MS)
}

/** Calls the deadline off; harmless when it has passed. */
export function callOff(overdue: Overdue): void {
  due.delete(overdue)
}

/** What waits in the sockets is read first: a process that stood still must not take its own delay for somebody else's. */
function afterReading(): void {
  setImmediate(look)
}

/** The timer runs on over a pause of one look, so that a steady load does not start and stop it at each call. */
function look(): void {
  if (due.size === 0) {
    clearInterval(timer)
    timer = undefined
    return
  }
  const now = performance.now()
  for (const [overdue, at] of due) {
    if (at > now) continue
    due.delete(overdue)
    overdue()
  }
}
