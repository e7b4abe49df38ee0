// How far prompt estimates are off, learnt per model from what providers report. Up fast, down slowly: a hold that is too
// small overspends, one that is too large only makes a call near the cap try again.

const MAX_MODELS = 1_000
const UP = 0.5
const DOWN = 0.02
const LEAST = 0.5
const MOST = 8
/** Prompts below this say little about the ratio: the fixed tokens of a message weigh too much. */
const MIN_TOKENS = 20

/** Factors by model, of this process. */
export class Calibration {
  readonly #factors = new Map<string, number>()

  /** What an estimate for this model is to be multiplied with; 1 until something was learnt. */
  factor(model: string): number {
    return this.#factors.get(model) ?? 1
  }

  /** Learns from one call: the plain estimate, and the prompt tokens that the provider reported. */
  learn(model: string, estimated: number, reported: number): void {
    if (estimated < MIN_TOKENS || reported <= 0) return
    if (!this.#factors.has(model) && this.#factors.size >= MAX_MODELS) return
    const seen = Math.min(MOST, Math.max(LEAST, reported / estimated))
    const known = this.factor(model)
    this.#factors.set(model, known + (seen - known) * (seen > known ? UP : DOWN))
  }
}
