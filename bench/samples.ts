// Measured values and their percentiles.

/** Percentiles by nearest rank (a value that was measured), the mean and the count; the unit is the values' own. */
export type Spread = { n: number; mean: number; p50: number; p90: number; p99: number; max: number }

/** The value at rank ⌈p·n⌉ of ascending `sorted`, `p` in 0–1; NaN when there is none. */
export function percentile(sorted: ArrayLike<number>, p: number): number {
  const rank = Math.max(1, Math.ceil(p * sorted.length))
  return sorted[rank - 1] ?? Number.NaN
}

/** `value` with three decimals. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}

/** A growing list of numbers, eight bytes each. */
export class Samples {
  #values = new Float64Array(4096)
  #length = 0

  add(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(this.#length * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#length++] = value
  }

  /** Undefined when nothing was added; figures have three decimals. */
  spread(): Spread | undefined {
    if (this.#length === 0) return undefined
    const sorted = this.#values.slice(0, this.#length).sort()
    let sum = 0
    for (const value of sorted) sum += value
    return {
      n: sorted.length,
      mean: rounded(sum / sorted.length),
      p50: rounded(percentile(sorted, 0.5)),
      p90: rounded(percentile(sorted, 0.9)),
      p99: rounded(percentile(sorted, 0.99)),
      max: rounded(percentile(sorted, 1)),
    }
  }
}
