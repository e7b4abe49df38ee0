// Publishing as the operator does it: one call at a time, outcomes as values, and the store kept in order.
import { placeName } from '@smartflow/core/compile/status'
import type { Place } from '@smartflow/core/snapshot/config-store'
import { compareVersions } from '@smartflow/core/snapshot/follow'
import type { InForce } from '@smartflow/core/snapshot/in-force'
import type { Compiled } from '@smartflow/core/snapshot/items'
import { type Published, Publisher } from '@smartflow/core/snapshot/publish'
import { type RedisCommands, RedisConfigStore } from '@smartflow/core/snapshot/redis-config-store'
import { RedisGarbage } from '@smartflow/core/snapshot/redis-garbage'
import type { Signer, Verifier } from '@smartflow/core/snapshot/signing'
import { snapshotData, type SnapshotData, type Version } from '@smartflow/core/snapshot/snapshot-data'
import type { Ack } from './acks.ts'
import { evictionProblem } from './eviction.ts'
import { StoreAway } from './redis.ts'

/** Old configuration is looked for this often. */
const COLLECT_MS = 600_000
/** The store's settings are looked at this often. */
const CHECK_MS = 60_000
/** An acknowledgement further ahead than this is not believed: pods may write anything there. */
const MOST_AHEAD = 1_000_000

/** Digests of items by `placeName`. */
export type Digests = ReadonlyMap<string, string>

interface Situation {
  /** What the compile wants in force. */
  readonly wanted: Digests
  /** What is in force, as far as this process knows; equal to `wanted` when published or unchanged. */
  readonly inForce: Digests
  /** The version in force; undefined before the first success. */
  readonly version: Version | undefined
  /** All of what is wanted, settings included, is in force, as far as this process knows. */
  readonly upToDate: boolean
  /** Why the store may lose configuration by itself; undefined: nothing known. */
  readonly evictionProblem: string | undefined
}

/**
 * What came of publishing. `held`: a second look at the sources is due, then publish the same again; `few`: only because
 * nothing was published yet since the start. `stale`: another writer took over, this process must end. `unavailable`:
 * the store is away, `since` then (milliseconds since the epoch); nothing changed, try again.
 */
export type PublicationOutcome =
  | (Situation & { readonly outcome: 'published' | 'unchanged'; readonly version: Version })
  | (Situation & { readonly outcome: 'held'; readonly few: boolean; readonly message: string })
  | (Situation & { readonly outcome: 'stale'; readonly message: string })
  | (Situation & { readonly outcome: 'unavailable'; readonly message: string; readonly since: number })

/** Who publishes what where. */
export interface PublicationOptions {
  readonly redis: RedisCommands
  readonly gateway: string
  readonly signer: Signer
  readonly verifier: Verifier
  /** What AIGateway.status.config says of earlier runs. */
  readonly remembered?: Place | undefined
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** The collection of old configuration failed; it is tried again later. */
  readonly failed: (message: string, error: unknown) => void
}

/** The operator's publisher. Calls may overlap: they run in turn. */
export class Publication {
  readonly #options: PublicationOptions
  readonly #publisher: Publisher
  readonly #garbage: RedisGarbage
  #turn: Promise<unknown> = Promise.resolve()
  #inForce: Digests = new Map()
  #version: Version | undefined
  #stale: string | undefined
  #awaySince: number | undefined
  #evictionProblem: string | undefined
  #checkAt = 0
  #collectAt: number

  constructor(options: PublicationOptions) {
    const { redis, gateway, signer, verifier, remembered } = options
    this.#options = options
    const store = new RedisConfigStore({ redis, gateway })
    this.#publisher = new Publisher({
      store,
      signer,
      verifier,
      looksTwiceAtFirst: true,
      ...(remembered !== undefined && { remembered }),
    })
    this.#garbage = new RedisGarbage({ redis, gateway })
    this.#collectAt = options.now() + COLLECT_MS
  }

  /** Publishes what differs from the store. Rejects only for a bug: a store that is away is an outcome. */
  publish(compiled: Compiled): Promise<PublicationOutcome> {
    const outcome = this.#inTurn(() => this.#publish(compiled))
    if (this.#options.now() >= this.#collectAt) {
      this.#collectAt = this.#options.now() + COLLECT_MS
      this.collect().catch((error: unknown) => this.#options.failed('old configuration could not be removed', error))
    }
    return outcome
  }

  /**
   * Looks whether pods have something newer than what is in force: then the store was rolled back, and the next `publish`
   * goes above it. True: publish soon.
   */
  notice(acks: Iterable<Ack>): boolean {
    const version = this.#version
    if (version === undefined) return false
    let newest: Place = version
    for (const ack of acks) {
      const believable = ack.epoch - version.epoch <= MOST_AHEAD && ack.generation - version.generation <= MOST_AHEAD
      if (believable && compareVersions(ack, newest) > 0) newest = ack
    }
    if (newest === version) return false
    this.#publisher.outrun({ epoch: newest.epoch, generation: newest.generation })
    return true
  }

  /** Pods miss pieces: the next `publish` looks at every piece and writes again what the store lost. */
  distrust(): void {
    this.#publisher.distrust()
  }

  /** The second look did not agree: what was held back stays so, however often it is published. */
  unconfirmed(): void {
    this.#publisher.unconfirmed()
  }

  /** Removes configuration that nothing refers to any more. Gives how many pieces went. */
  collect(): Promise<number> {
    return this.#inTurn(async () => {
      if (this.#version === undefined || this.#stale !== undefined) return 0
      return (await this.#garbage.collect(this.#publisher.place())).removed
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => undefined) // whoever asked is told
    return result
  }

  async #publish(compiled: Compiled): Promise<PublicationOutcome> {
    if (this.#stale !== undefined) return this.#failed('stale', this.#stale, compiled)
    try {
      await this.#check()
      const published = await this.#publisher.publish(compiled)
      this.#awaySince = undefined
      return this.#outcomeOf(published, compiled)
    } catch (error) {
      const answered = error instanceof Error && error.name === 'ReplyError'
      if (!(error instanceof StoreAway) && !answered) throw error
      this.#awaySince ??= this.#options.now()
      return { ...this.#failed('unavailable', error.message, compiled), since: this.#awaySince }
    }
  }

  #outcomeOf(published: Published, compiled: Compiled): PublicationOutcome {
    switch (published.outcome) {
      case 'published':
      case 'unchanged': {
        const { outcome, version, data } = published
        this.#version = version
        this.#inForce = digestsOf(data)
        return { ...this.#situation(this.#inForce, true), outcome, version }
      }
      case 'held':
        this.#adopt(published)
        return { ...this.#failed('held', published.message, compiled), few: published.few }
      case 'stale':
        this.#stale = published.message
        return this.#failed('stale', published.message, compiled)
    }
  }

  /** After a start nothing but the store tells what is served while a publication is held back. */
  #adopt({ version, inForce }: Published & { readonly outcome: 'held' }): void {
    if (this.#version !== undefined || version.digest === '') return
    this.#version = version
    this.#inForce = digestsOf(inForce)
  }

  #failed<O extends 'held' | 'stale' | 'unavailable'>(
    outcome: O,
    message: string,
    compiled: Compiled,
  ): Situation & { readonly outcome: O; readonly message: string } {
    const wanted = snapshotData(compiled, 0, 0)
    const upToDate = wanted.version.digest === this.#version?.digest
    return { ...this.#situation(digestsOf(wanted), upToDate), outcome, message }
  }

  #situation(wanted: Digests, upToDate: boolean): Situation {
    const [inForce, version, evictionProblem] = [this.#inForce, this.#version, this.#evictionProblem]
    return { wanted, inForce, version, upToDate, evictionProblem }
  }

  async #check(): Promise<void> {
    if (this.#options.now() < this.#checkAt) return
    this.#evictionProblem = await evictionProblem(this.#options.redis)
    this.#checkAt = this.#options.now() + CHECK_MS
  }
}

type Tenants = SnapshotData['tenants'] | InForce['tenants']

/** The same content has the same digests, by identity. */
const known = new WeakMap<Tenants, Digests>()

function digestsOf({ tenants }: { readonly tenants: Tenants }): Digests {
  return known.get(tenants) ?? remembered(tenants)
}

function remembered(tenants: Tenants): Digests {
  const digests = new Map<string, string>()
  for (const [tenant, { entries }] of tenants) {
    for (const { kind, name, digest } of entries) digests.set(placeName({ tenant, kind, name }), digest)
  }
  known.set(tenants, digests)
  return digests
}
