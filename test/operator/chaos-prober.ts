// Calls every data plane with every key all the time, and remembers each answer that a caller would have suffered from.
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../e2e/gateway.ts'
import type { Plane } from './stack.ts'

const PAUSE_MS = 40
const CALL_MS = 5_000
/** Enough to see what is wrong. */
const MOST_FAILURES = 20

/** What a data plane says that it serves. */
export interface Served {
  readonly epoch: number | null
  readonly generation: number | null
  readonly digest: string | null
  readonly problem: string | null
}

/** What it has in force. */
export async function servedBy(plane: Pick<Plane, 'metrics'>): Promise<Served> {
  const answer = await fetch(`${plane.metrics}/-/config`, { signal: AbortSignal.timeout(CALL_MS) })
  return (await answer.json()) as Served
}

/** The status of a call with this token. */
async function statusWith(plane: Pick<Plane, 'proxy'>, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(`${plane.proxy}/v1/models`, { headers, signal: AbortSignal.timeout(CALL_MS) })
  await answer.arrayBuffer()
  return answer.status
}

/** Waits until every plane lets the token in, or refuses it. */
export async function everyPlane(planes: readonly Plane[], token: string, status: 200 | 401): Promise<void> {
  for (const plane of planes) {
    await eventually(`${plane.pod} answers ${status}`, async () => (await statusWith(plane, token)) === status, 60_000)
  }
}

/** See the file's head. Its failures are asserted to be none at the end. */
export class Prober {
  readonly #planes: () => readonly Plane[]
  readonly #tokens = new Set<string>()
  readonly #failures: string[] = []
  readonly #newest = new Map<string, { epoch: number; generation: number }>()
  #running: Promise<void> | undefined
  #stopped = false
  #calls = 0

  constructor(planes: () => readonly Plane[]) {
    this.#planes = planes
  }

  /** From now on these tokens have to be good everywhere. */
  watch(...tokens: readonly string[]): this {
    for (const token of tokens) this.#tokens.add(token)
    this.#running ??= this.#run()
    return this
  }

  /** This token may be refused from now on. */
  forget(token: string): void {
    this.#tokens.delete(token)
  }

  /** Ends it; gives what callers would have suffered. Throws when it has not called at all. */
  async stop(): Promise<readonly string[]> {
    this.#stopped = true
    await this.#running
    if (this.#calls === 0) throw new Error('the prober has not called anybody')
    return this.#failures
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await Promise.all(this.#planes().map(plane => this.#ask(plane)))
      await sleep(PAUSE_MS)
    }
  }

  async #ask(plane: Plane): Promise<void> {
    try {
      for (const token of this.#tokens) {
        const status = await statusWith(plane, token)
        this.#calls++
        if (status !== 200 && this.#tokens.has(token)) this.#fail(`${plane.pod} answered ${status}`)
      }
      this.#compare(plane, await servedBy(plane))
    } catch (error) {
      this.#fail(`${plane.pod} did not answer: ${String(error)}`)
    }
  }

  /** A plane never goes back. */
  #compare(plane: Plane, { epoch, generation }: Served): void {
    if (epoch === null || generation === null) return this.#fail(`${plane.pod} serves nothing`)
    const before = this.#newest.get(plane.uid)
    if (before && (epoch < before.epoch || (epoch === before.epoch && generation < before.generation)))
      this.#fail(`${plane.pod} went back from ${before.epoch}.${before.generation} to ${epoch}.${generation}`)
    this.#newest.set(plane.uid, { epoch, generation })
  }

  #fail(what: string): void {
    if (this.#failures.length < MOST_FAILURES) this.#failures.push(`${new Date().toISOString()} ${what}`)
  }
}
