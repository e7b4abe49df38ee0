// Leader election over a Lease: of several operators one acts. A lease expires by what we saw ourselves, never by a
// clock of another machine; the API server's conflict on an old version is the fence.
import { ApiError } from '../api/api-error.ts'
import type { KubeClient } from '../api/client.ts'
import { type Clock, systemClock } from '../api/clock.ts'
import { isRecord, type KubeObject, type NewObject, type ObjectKey, TYPES } from '../api/resource-type.ts'

export interface LeaderElectionOptions {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'replace'>
  readonly namespace: string
  readonly name: string
  /** Unique to this process, such as pod name and a random suffix. */
  readonly identity: string
  /** Told of failures to ask for or renew the lease, for the log; the election goes on. */
  readonly onProblem?: (problem: string) => void
  readonly clock?: Clock
  /** From 0 to 1. */
  readonly random?: () => number
}

export interface LeaderCallbacks {
  /** We lead. `signal` fires when that ends; whatever is written after it fired may meet another leader's writes. */
  readonly onStarted: (signal: AbortSignal) => void
  /** We led and do no longer, without having been stopped: the process has to end. */
  readonly onLost: (why: string) => void
}

/** Seconds after which a lease nobody renewed may be taken; written into the Lease. */
const LEASE_SECONDS = 15
/** A leader that could not renew for so long stops leading: before anyone else may begin. */
const RENEW_WITHIN_MS = 10_000
const RETRY_MS = 2_000
const CALL_MS = 5_000

/** What the Lease says, and since when by our own clock it has been saying so. */
interface Observed {
  readonly version: string
  readonly holder: string
  readonly durationMs: number
  readonly transitions: number
  readonly acquireTime: string | undefined
  readonly at: number
  readonly object: KubeObject
}

export class LeaderElection {
  readonly #options: LeaderElectionOptions
  readonly #clock: Clock
  readonly #key: ObjectKey
  readonly #stopped = new AbortController()
  #observed: Observed | undefined
  #running: Promise<void> | undefined
  #leads = false
  /** When the last renewal that succeeded was asked for. */
  #renewedAt = 0

  constructor(options: LeaderElectionOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#key = { type: TYPES.Lease, namespace: options.namespace, name: options.name }
  }

  /** Whether this process leads now; no longer from the moment the lease is overdue, noticed or not. */
  isLeader(): boolean {
    return this.#leads && this.#left() > 0
  }

  /** Who holds the lease as far as we know; empty: nobody. */
  leader(): string {
    return this.#observed?.holder ?? ''
  }

  /** Stands for election until `stop`, or until leadership is lost. Never rejects. */
  run(callbacks: LeaderCallbacks): Promise<void> {
    this.#running ??= this.#stand(callbacks)
    return this.#running
  }

  /** Stops leading and gives the lease back, so that another takes it at once. Call when nothing writes any more. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
  }

  async #stand({ onStarted, onLost }: LeaderCallbacks): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      this.#renewedAt = this.#clock.now()
      if (await this.#attempt()) break
      await this.#pause(signal)
    }
    if (signal.aborted) return this.#release()
    const term = new AbortController()
    this.#leads = true
    onStarted(term.signal)
    const lost = await this.#lead(signal)
    this.#leads = false
    term.abort()
    if (lost === undefined) await this.#release()
    else onLost(lost)
  }

  /** Renews until stopped (undefined) or until it is too late (why). */
  async #lead(signal: AbortSignal): Promise<string | undefined> {
    for (;;) {
      await this.#pause(signal, this.#left())
      if (signal.aborted) return undefined
      // An answer counts from when it was asked for: others may count from then on.
      const askedAt = this.#clock.now()
      if (this.#left() > 0 && (await this.#attempt(Math.min(CALL_MS, this.#left())))) {
        this.#renewedAt = askedAt
        continue
      }
      const holder = this.leader()
      if (holder !== this.#options.identity) return `the lease went to ${holder === '' ? 'nobody' : holder}`
      if (this.#left() <= 0) return `the lease was not renewed for ${RENEW_WITHIN_MS} ms`
    }
  }

  /** Milliseconds for which we may go on leading. */
  #left(): number {
    return RENEW_WITHIN_MS - (this.#clock.now() - this.#renewedAt)
  }

  /** Takes or renews the lease if we may. False when another has it or the server did not say yes. */
  async #attempt(timeoutMs = CALL_MS): Promise<boolean> {
    // Not ended by `stop`: a renewal nobody waited for would make giving the lease back a conflict.
    try {
      const lease = await this.#options.client.get(this.#key, { timeoutMs })
      if (!lease) {
        this.#observe(await this.#options.client.create(this.#lease(undefined), { timeoutMs }))
        return true
      }
      this.#observe(lease)
      const observed = this.#observed
      if (observed && !this.#mayTake(observed)) return false
      this.#observe(await this.#options.client.replace(this.#lease(observed), { timeoutMs }))
      return true
    } catch (error) {
      this.#complain(error)
      return false
    }
  }

  #mayTake({ holder, at, durationMs }: Observed): boolean {
    return holder === '' || holder === this.#options.identity || this.#clock.now() - at >= durationMs
  }

  #observe(object: KubeObject): void {
    const { resourceVersion } = object.metadata
    if (this.#observed?.version === resourceVersion) return
    const spec = isRecord(object.spec) ? object.spec : {}
    const { holderIdentity, leaseDurationSeconds, leaseTransitions, acquireTime } = spec
    this.#observed = {
      version: resourceVersion,
      holder: typeof holderIdentity === 'string' ? holderIdentity : '',
      durationMs: 1_000 * (typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds : LEASE_SECONDS),
      transitions: typeof leaseTransitions === 'number' ? leaseTransitions : 0,
      acquireTime: typeof acquireTime === 'string' ? acquireTime : undefined,
      at: this.#clock.now(),
      object,
    }
  }

  #lease(observed: Observed | undefined): NewObject {
    const { identity, namespace, name } = this.#options
    const now = microTime(this.#clock.date())
    const renews = observed?.holder === identity
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      // The version makes it a conflict when anyone wrote meanwhile.
      metadata: observed?.object.metadata ?? { name, namespace },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: LEASE_SECONDS,
        acquireTime: (renews ? observed.acquireTime : undefined) ?? now,
        renewTime: now,
        leaseTransitions: observed ? observed.transitions + Number(!renews) : 0,
      },
    }
  }

  /** Gives the lease back, if it is ours. */
  async #release(): Promise<void> {
    const observed = this.#observed
    if (observed?.holder !== this.#options.identity) return
    const lease = this.#lease(observed)
    const spec = { ...(isRecord(lease.spec) ? lease.spec : {}), holderIdentity: '', leaseDurationSeconds: 1 }
    try {
      this.#observe(await this.#options.client.replace({ ...lease, spec }, { timeoutMs: CALL_MS }))
    } catch (error) {
      this.#complain(error)
    }
  }

  #pause(signal: AbortSignal, most = Infinity): Promise<void> {
    const random = this.#options.random ?? Math.random
    return this.#clock.sleep(Math.min(most, RETRY_MS * (1 + 0.2 * random())), signal)
  }

  #complain(error: unknown): void {
    // Somebody else was quicker: that is what the lease is for.
    if (error instanceof ApiError && (error.reason === 'Conflict' || error.reason === 'AlreadyExists')) return
    this.#options.onProblem?.(`lease ${this.#key.name}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** A time as Leases and Events want it: six digits behind the second, where Date has three. */
export function microTime(date: number): string {
  return new Date(date).toISOString().replace('Z', '000Z')
}
