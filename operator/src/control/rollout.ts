// Which pods serve what: the gateway's endpoints joined with the pods' own acknowledgements in the store.
import type { Ack, Acks } from '../apply/acks.ts'
import type { Observed } from '../watch/observed.ts'
import { type GatewayPod, podsOf } from '../watch/pods.ts'

/** Without a hint from a pod. */
const POLL_MS = 2_000
/** After a reading that failed. */
const RETRY_MS = 250
/** So long a store may be silent: one slow reply, or a primary that changes, is not worth a new status of every object. */
export const AWAY_MS = 5_000
/** Hints come from many pods at once. */
const GATHER_MS = 25

/** A pod and what it says of itself; no `ack`: it said nothing of late. */
export interface PodState extends GatewayPod {
  readonly ack: Ack | undefined
}

/** What is known of the pods. `store: 'away'`: acknowledgements cannot be read for some seconds, those of before are shown. */
export interface RolloutState {
  readonly pods: readonly PodState[]
  readonly store: 'up' | 'away'
}

/** What a rollout looks at. */
export interface RolloutOptions {
  readonly observed: Pick<Observed, 'endpointSlices'>
  readonly acks: () => Acks | undefined
  /** The Service whose endpoints are the gateway's pods. */
  readonly serviceName: () => string
  /** An acknowledgement older than this counts no more. */
  readonly ackTimeoutMs: () => number
  readonly now: () => number
  /** Something that a status says may have changed. */
  readonly changed: () => void
  readonly failed: (message: string, error: unknown) => void
}

/** Follows the pods' acknowledgements. */
export class Rollout {
  readonly #options: RolloutOptions
  #state: RolloutState = { pods: [], store: 'away' }
  #begun = false
  /** The Service whose pods were asked last. */
  #asked: string | undefined
  #signature = ''
  #timer: NodeJS.Timeout | undefined
  #reading: Promise<void> | undefined
  #again = false
  #failingSince: number | undefined
  #gathering = false
  #stopped = true

  constructor(options: RolloutOptions) {
    this.#options = options
  }

  state(): RolloutState {
    return this.#state
  }

  /**
   * True when the pods of the Service were asked, or could not be for some seconds. Before that nothing may be said of them:
   * a fresh operator would call all away, and one that is told of another Service would miss the pods of the one before.
   */
  looked(): boolean {
    return this.#asked === this.#options.serviceName()
  }

  /** Begins, once; to be called when the store that the pods talk to is in use. After `stop` it begins no more. */
  start(): void {
    if (this.#begun) return
    this.#begun = true
    this.#stopped = false
    this.touch()
  }

  async stop(): Promise<void> {
    this.#begun = true
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#reading
  }

  /** A pod said something, or the endpoints changed. */
  touch(): void {
    if (this.#stopped) return
    if (this.#reading !== undefined) {
      this.#again = true
      return
    }
    // Hints that keep coming must not put the reading off for ever.
    if (this.#gathering) return
    this.#gathering = true
    this.#schedule(GATHER_MS)
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#again = false
      this.#gathering = false
      this.#reading = this.#read().finally(() => {
        this.#reading = undefined
        if (this.#stopped) return
        const next = this.#isBrief() ? RETRY_MS : POLL_MS
        this.#schedule(this.#again ? GATHER_MS : next)
      })
    }, ms)
  }

  /** Readings fail, and not for long so far. */
  #isBrief(): boolean {
    return this.#failingSince !== undefined && this.#options.now() - this.#failingSince < AWAY_MS
  }

  async #read(): Promise<void> {
    const { observed, acks, serviceName, changed, failed } = this.#options
    const service = serviceName()
    const pods = podsOf(observed.endpointSlices(), service)
    let state: RolloutState
    try {
      const reader = acks()
      const said = reader === undefined ? undefined : await reader.read(pods.map(pod => pod.uid))
      state = {
        pods: pods.map(pod => ({ ...pod, ack: said?.get(pod.uid) })),
        store: said === undefined ? 'away' : 'up',
      }
      this.#failingSince = undefined
      this.#asked = service
    } catch (error) {
      if (this.#failingSince === undefined) failed("the pods' acknowledgements could not be read; trying again", error)
      this.#failingSince ??= this.#options.now()
      const isAway = !this.#isBrief()
      state = this.#unread(pods, isAway)
      if (isAway) this.#asked = service
      // Nothing can be said of a pod that is new, nor is one reading worth a new status of everything.
      else if (state.store === 'away') this.#asked = undefined
    }
    this.#state = state
    const oldest = this.#options.now() - this.#options.ackTimeoutMs()
    const signature = `${this.#asked} ${signatureOf(state, oldest)}`
    if (signature === this.#signature) return
    this.#signature = signature
    changed()
  }

  /** What was known of these pods before. Of one that is new nothing can be said. */
  #unread(pods: readonly GatewayPod[], isAway: boolean): RolloutState {
    const before = new Map(this.#state.pods.map(({ uid, ack }) => [uid, ack]))
    const stillUp = !isAway && this.#state.store === 'up' && pods.every(({ uid }) => before.has(uid))
    return { pods: pods.map(pod => ({ ...pod, ack: before.get(pod.uid) })), store: stillUp ? 'up' : 'away' }
  }
}

/** What of the state a status depends on: not the time of an acknowledgement that only repeats itself. */
function signatureOf({ pods, store }: RolloutState, oldest: number): string {
  return JSON.stringify([
    store,
    pods.map(({ uid, name, counted, ack }) => [
      uid,
      name,
      counted,
      ack && [ack.epoch, ack.generation, ack.digest, ack.problem ?? '', ack.at >= oldest],
    ]),
  ])
}
