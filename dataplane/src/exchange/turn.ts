// Work of one turn of the event loop, done together: the same step of all calls that a turn brought costs less than all
// steps of one call after those of another, whose code and data push its own out of the processor's caches.

let end: Promise<void> | undefined

/** Resolves when all that this turn of the event loop brought has been taken in: at once for all who wait for it. */
export function turnsEnd(): Promise<void> {
  end ??= new Promise(resolve => {
    setImmediate(() => {
      end = undefined
      resolve()
    })
  })
  return end
}
