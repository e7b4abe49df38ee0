// Remembers what was made of an object, so that an unchanged one costs nothing and gives the very same item again.

interface Entry<V> {
  readonly basis: readonly unknown[]
  readonly value: V
}

/**
 * One value an object, as long as the object itself is kept. `basis` is everything else the value depends on; when a part
 * of it differs (by `Object.is`), the value is made anew. What is remembered must never be changed.
 */
export class Memo<K extends object, V> {
  readonly #entries = new WeakMap<K, Entry<V>>()

  get(key: K, basis: readonly unknown[], make: () => V): V {
    const known = this.#entries.get(key)
    if (known !== undefined && same(known.basis, basis)) return known.value
    const value = make()
    this.#entries.set(key, { basis, value })
    return value
  }
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((part, at) => Object.is(part, b[at]))
}
