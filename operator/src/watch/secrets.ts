// Secrets that the resources name, each read by its name: the operator lists no Secrets and may not. What somebody else
// writes is looked at again every few seconds.
import type { SecretValues } from '@smartflow/core/resources/secret'
import { ApiError } from '../api/api-error.ts'
import type { KubeClient } from '../api/client.ts'
import { type KubeObject, TYPES } from '../api/resource-type.ts'
import { slim } from './object-cache.ts'

/** Who writes a Secret: somebody else, or the operator itself. One that the operator is still to make is `unmade`. */
export type SecretOwner = 'theirs' | 'ours' | 'unmade'

/** Between two looks, in milliseconds: our own Secrets change only by our hand, as a rule. */
const AGAIN_MS: Readonly<Record<SecretOwner, number>> = { theirs: 15_000, ours: 600_000, unmade: 600_000 }
/** One of somebody else's that is missing is looked for again after this, then twice that, up to `AGAIN_MS.theirs`. */
const MISSING_MS = 2_000
/** One of ours that is missing is made with the next reconciliation, which says so (`put`). */
const UNMADE_MS = 60_000
/** After a look that failed. */
const FAILED_MS = 1_000
/** Looks at once: 5,000 Secrets of a cold start take some seconds, and the API server keeps room for others. */
const AT_ONCE = 32
const TICK_MS = 250
/** A Secret that cannot be read for this long no longer keeps everything else from being published. */
const PATIENCE_MS = 60_000

/** What the reader needs. */
export interface SecretReaderOptions {
  readonly client: Pick<KubeClient, 'get'>
  /** A value came, changed or went; `name` is `namespace/name`. */
  readonly onChange: (name: string) => void
  readonly now: () => number
  /** A look failed, the first one after some that did not. */
  readonly failed: (name: string, error: unknown) => void
}

interface Entry {
  owner: SecretOwner
  due: number
  wait: number
  firstWanted: number
  /** Undefined until a look succeeded; null: it is not there, or may not be read. */
  values: Readonly<Record<string, string>> | null | undefined
  live: KubeObject | undefined
  looking: boolean
  /** How long after the look that is under way somebody wants another one. */
  spacingMs: number
  /** The last look failed, and that was told. */
  failing: boolean
  /** Counts what happens to the entry beside looks: a look that began before is out of date. */
  changes: number
  lookedAt: number
}

/** Keeps the wanted Secrets' values. Its memory is bounded by what resources name. */
export class SecretReader {
  readonly #options: SecretReaderOptions
  readonly #entries = new Map<string, Entry>()
  #values: SecretValues | undefined
  #revision = 0
  #timer: NodeJS.Timeout | undefined
  #looking = 0
  /** No look is due before then. */
  #nextDue = 0

  constructor(options: SecretReaderOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#tick()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Says which Secrets matter now, by `namespace/name`; the others are forgotten. */
  want(wanted: ReadonlyMap<string, SecretOwner>): void {
    for (const name of this.#entries.keys()) {
      if (wanted.has(name)) continue
      this.#entries.delete(name)
      this.#values = undefined
      this.#revision++
    }
    const now = this.#options.now()
    for (const [name, owner] of wanted) {
      const known = this.#entries.get(name)
      if (known !== undefined) known.owner = owner
      else this.#add(name, fresh(owner, now))
    }
    if (this.#timer !== undefined) this.#tick()
  }

  /** Values of the wanted Secrets that are there. */
  values(): SecretValues {
    return (this.#values ??= new Map(
      [...this.#entries].flatMap(([name, { values }]) => (values ? [[name, values] as const] : [])),
    ))
  }

  /** Values of one of them; undefined when it is not there. The same values keep their identity. */
  valuesOf(name: string): Readonly<Record<string, string>> | undefined {
    return this.#entries.get(name)?.values ?? undefined
  }

  /** The Secret as last seen: undefined when it is not there, or when nobody looked yet (`isKnown`). */
  live(name: string): KubeObject | undefined {
    return this.#entries.get(name)?.live
  }

  /** True when a look at this Secret succeeded, whether it was there or not. */
  isKnown(name: string): boolean {
    return this.#entries.get(name)?.values !== undefined
  }

  /** Another number after each change of what is known of any of them. */
  revision(): number {
    return this.#revision
  }

  /** Wanted Secrets that nobody could look at so far. While there are some, what was published must stay. */
  waiting(): readonly string[] {
    const now = this.#options.now()
    const waiting: string[] = []
    for (const [name, { values, firstWanted }] of this.#entries) {
      if (values === undefined && now - firstWanted < PATIENCE_MS) waiting.push(name)
    }
    return waiting
  }

  /** Takes a Secret that was just written. */
  put(secret: KubeObject): void {
    const name = `${secret.metadata.namespace}/${secret.metadata.name}`
    const entry = this.#entries.get(name) ?? this.#add(name, fresh('ours', this.#options.now()))
    entry.changes++
    this.#take(name, entry, secret)
  }

  /** Looks at it again at once; but not before `spacingMs` after the last look. */
  refresh(name: string, spacingMs = 0): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#setDue(entry, Math.min(entry.due, entry.lookedAt + spacingMs))
    // A look that is under way began too early for whoever asks now.
    if (spacingMs === 0) entry.changes++
    else if (entry.looking) entry.spacingMs = Math.min(entry.spacingMs, spacingMs)
    if (this.#timer !== undefined) this.#tick()
  }

  #add(name: string, entry: Entry): Entry {
    this.#entries.set(name, entry)
    this.#revision++
    this.#setDue(entry, entry.due)
    return entry
  }

  #setDue(entry: Entry, due: number): void {
    entry.due = due
    this.#nextDue = Math.min(this.#nextDue, due)
  }

  #tick(): void {
    const now = this.#options.now()
    if (now < this.#nextDue) return
    this.#nextDue = Infinity
    for (const [name, entry] of this.#entries) {
      if (this.#looking >= AT_ONCE) {
        this.#nextDue = now
        return
      }
      // A look that ends says itself when the next one is due.
      if (entry.looking) continue
      if (entry.due > now) {
        this.#nextDue = Math.min(this.#nextDue, entry.due)
        continue
      }
      entry.looking = true
      this.#looking++
      void this.#look(name, entry).finally(() => {
        entry.looking = false
        this.#looking--
        const { spacingMs } = entry
        this.#setDue(entry, spacingMs === Infinity ? entry.due : Math.min(entry.due, entry.lookedAt + spacingMs))
        entry.spacingMs = Infinity
        if (this.#timer !== undefined && this.#looking === AT_ONCE - 1) this.#tick()
      })
    }
  }

  async #look(name: string, entry: Entry): Promise<void> {
    const [namespace = '', secret = ''] = name.split('/')
    const { changes } = entry
    const isNewest = (): boolean => this.#entries.get(name) === entry && entry.changes === changes
    try {
      const live = await this.#options.client.get({ type: TYPES.Secret, namespace, name: secret })
      entry.failing = false
      if (isNewest()) this.#take(name, entry, live)
    } catch (error) {
      if (!entry.failing) this.#options.failed(name, error)
      entry.failing = true
      if (!isNewest()) return
      // What was read before rights were lost stays in force; what never was is as good as missing.
      const mayNot = error instanceof ApiError && error.reason === 'Forbidden'
      if (mayNot && !entry.values) this.#take(name, entry, undefined)
      else entry.due = this.#options.now() + (mayNot ? AGAIN_MS.theirs : FAILED_MS)
    }
  }

  #take(name: string, entry: Entry, live: KubeObject | undefined): void {
    const now = this.#options.now()
    const values = live === undefined ? null : decoded(live)
    const missing =
      entry.owner === 'theirs' ? Math.min(Math.max(MISSING_MS, entry.wait * 2), AGAIN_MS.theirs) : UNMADE_MS
    entry.wait = values === null ? missing : 0
    entry.lookedAt = now
    this.#setDue(entry, now + (values === null ? entry.wait : AGAIN_MS[entry.owner]))
    const changed = entry.values === undefined || !sameValues(entry.values, values)
    // The same values keep their identity: what was compiled from them is known by it.
    if (changed) entry.values = values
    if (!isSameVersion(entry.live, live)) {
      entry.live = live && slim(live)
      this.#revision++
    }
    if (!changed) return
    this.#revision++
    this.#values = undefined
    this.#options.onChange(name)
  }
}

function fresh(owner: SecretOwner, now: number): Entry {
  // Nobody need look whether there is what nobody made yet: making it meets the one that is there.
  const isUnmade = owner === 'unmade'
  return {
    owner,
    due: isUnmade ? now + UNMADE_MS : 0,
    wait: 0,
    firstWanted: now,
    values: isUnmade ? null : undefined,
    live: undefined,
    looking: false,
    spacingMs: Infinity,
    failing: false,
    changes: 0,
    lookedAt: -Infinity,
  }
}

function isSameVersion(a: KubeObject | undefined, b: KubeObject | undefined): boolean {
  return a?.metadata.uid === b?.metadata.uid && a?.metadata.resourceVersion === b?.metadata.resourceVersion
}

function decoded(secret: KubeObject): Record<string, string> {
  const data = typeof secret['data'] === 'object' && secret['data'] !== null ? secret['data'] : {}
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(String(value), 'base64').toString()]),
  )
}

function sameValues(a: Readonly<Record<string, string>> | null, b: Readonly<Record<string, string>> | null): boolean {
  if (a === null || b === null) return a === b
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every(key => a[key] === b[key])
}
