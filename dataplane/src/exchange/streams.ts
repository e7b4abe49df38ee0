// The two helpers over frame iterators. By hand, not generators: a generator that was never started skips its `finally`.

/** How a stream ended: read to its end, broken by its source, or left by its reader. */
export type Ending =
  | { readonly how: 'complete' }
  | { readonly how: 'failed'; readonly error: unknown }
  | { readonly how: 'abandoned' }

/** What a watcher wants to know. `each` sees every item as it passes; `done` is called exactly once. Neither may throw. */
export interface Watcher<T> {
  each?(item: T): void
  done(ending: Ending): void
}

/** Passes items through and tells the watcher, exactly once, how it ended. */
export function watch<T>(source: AsyncIterator<T, undefined>, watcher: Watcher<T>): AsyncIterator<T, undefined> {
  let open = true
  const end = (ending: Ending): void => {
    if (!open) return
    open = false
    watcher.done(ending)
  }
  return {
    async next() {
      let result: IteratorResult<T, undefined>
      try {
        result = await source.next()
      } catch (error) {
        end({ how: 'failed', error })
        throw error
      }
      if (result.done === true) end({ how: 'complete' })
      else if (open) watcher.each?.(result.value)
      return result
    },
    async return() {
      await source.return?.()
      end({ how: 'abandoned' })
      return { done: true, value: undefined }
    },
  }
}

/** Replaces each item by none, one or several; `flush` gives what is left when the source ended in order. */
export function map<T, U>(
  source: AsyncIterator<T, undefined>,
  each: (item: T) => readonly U[],
  flush: () => readonly U[] = () => [],
): AsyncIterator<U, undefined> {
  let ready: U[] = []
  let ended = false
  return {
    async next() {
      while (ready.length === 0 && !ended) {
        const result = await source.next()
        ended = result.done === true
        ready = [...(result.done === true ? flush() : each(result.value))]
      }
      const value = ready.shift()
      return value === undefined ? { done: true, value: undefined } : { done: false, value }
    },
    async return() {
      ended = true
      ready = []
      await source.return?.()
      return { done: true, value: undefined }
    },
  }
}

/** An iterator over items that are already there. */
export function of<T>(...items: T[]): AsyncIterator<T, undefined> {
  let next = 0
  return {
    async next() {
      const value = items[next++]
      return value === undefined ? { done: true, value: undefined } : { done: false, value }
    },
    async return() {
      next = items.length
      return { done: true, value: undefined }
    },
  }
}
