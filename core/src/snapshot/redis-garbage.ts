// Removes configuration that is no longer referred to. Never what is in force: judged by the manifests, and void as soon as
// a newer writer was there.
import { z } from 'zod'
import type { ConfigReader, Place } from './config-store.ts'
import { configKeys, type Piece } from './keys.ts'
import { RedisConfigStore, type RedisCommands } from './redis-config-store.ts'
import { SWEEP_SCRIPT } from './scripts.ts'

const Root = z.object({ manifest: z.object({ tenants: z.record(z.string(), z.string()) }) })
const Manifest = z.object({ items: z.array(z.object({ digest: z.string() })) })

/** Commits whose configuration stays whole, for readers that are behind. */
const GENERATIONS = 20
/** What was referred to within this stays too, in milliseconds. */
const KEPT_MS = 3_600_000
/** Pieces looked at in one step. */
const AT_ONCE = 500
/** Steps of one tenant in one run; what is left waits for the next run. */
const STEPS = 20

/** What a run did. `overtaken`: a newer writer was seen, and nothing more was removed. */
export interface Collected {
  readonly removed: number
  readonly overtaken: boolean
}

/** The store's collector. One run at a time, never while the same writer publishes. */
export class RedisGarbage {
  readonly #redis: RedisCommands
  readonly #gateway: string
  readonly #store: RedisConfigStore
  readonly #keptMs: number

  /** `keptMs` is for tests. */
  constructor({ redis, gateway, keptMs = KEPT_MS }: { redis: RedisCommands; gateway: string; keptMs?: number }) {
    this.#redis = redis
    this.#gateway = gateway
    this.#store = new RedisConfigStore({ redis, gateway })
    this.#keptMs = keptMs
  }

  /**
   * Removes what neither the last 20 commits refer to nor any of the last hour did. `place`: the writer's own epoch and the
   * generation in force.
   */
  async collect(place: Place): Promise<Collected> {
    const head = await this.#store.head()
    if (head === undefined) return { removed: 0, overtaken: false }
    if (head.epoch > place.epoch || head.generation > place.generation) return { removed: 0, overtaken: true }
    const ids = new Set([head.manifest, ...(await this.#recentIds())])
    const manifests = await this.#manifestsOf(ids)
    if (manifests === undefined) return { removed: 0, overtaken: false }
    const cutoff = (await this.#milliseconds()) - this.#keptMs
    const run = { place, cutoff }
    let removed = 0
    for (const tenant of new Set([...(await this.#store.tenantsWithHeads()), ...manifests.keys()])) {
      const swept = await this.#sweepTenant(tenant, manifests.get(tenant) ?? new Set(), run)
      if (swept === undefined) return { removed, overtaken: true }
      removed += swept
    }
    const roots = await this.#sweep(run, {
      head: configKeys.head(this.#gateway),
      index: configKeys.index(this.#gateway),
      keyOf: id => configKeys.rootManifest(this.#gateway, id),
      isUsed: async () => id => ids.has(id),
    })
    return { removed: removed + (roots ?? 0), overtaken: roots === undefined }
  }

  async #sweepTenant(tenant: string, manifests: Set<string>, run: Run): Promise<number | undefined> {
    return this.#sweep(run, {
      head: configKeys.tenantHead(this.#gateway, tenant),
      index: configKeys.tenantIndex(this.#gateway, tenant),
      keyOf: member => configKeys.piece(this.#gateway, tenant, pieceOf(member)),
      isUsed: async () => {
        const used = await this.#usedBy(tenant, manifests)
        return used === undefined ? undefined : member => used.has(member)
      },
    })
  }

  /** Undefined when a newer writer was there. What is used is asked for only when something is old enough to go. */
  async #sweep({ place, cutoff }: Run, { head, index, keyOf, isUsed }: Heap): Promise<number | undefined> {
    let used: ((member: string) => boolean) | undefined
    let removed = 0
    for (let step = 0; step < STEPS; step++) {
      const old = strings(await this.#redis.send('zrangebyscore', [index, '-inf', cutoff, 'limit', 0, AT_ONCE]))
      if (old.length === 0) return removed
      used ??= await isUsed()
      if (used === undefined) return removed
      const isKept = used
      const [gone, kept] = [old.filter(member => !isKept(member)), old.filter(isKept)]
      const args = [place.epoch, place.generation, gone.length, ...gone, ...kept]
      const swept = Number(await this.#redis.run(SWEEP_SCRIPT, [head, index, ...gone.map(keyOf)], args))
      if (swept < 0) return undefined
      removed += swept
    }
    return removed
  }

  /**
   * Members of the tenant's index that the manifests, and the tenant's own head, refer to. Undefined when a manifest is
   * not there: then nobody can say.
   */
  async #usedBy(tenant: string, manifests: Set<string>): Promise<Set<string> | undefined> {
    const used = new Set<string>()
    const all = new Set(manifests)
    const reader: ConfigReader = this.#store.readerOf(tenant)
    const own = await reader.head()
    if (own !== undefined) {
      const root = await reader.rootManifest(own.manifest)
      if (root === undefined) return undefined
      used.add(`root:${own.manifest}`)
      for (const digest of Object.values(tenantsIn(root))) all.add(digest)
    }
    for (const digest of all) {
      const manifest = await reader.tenantManifest(tenant, digest)
      if (manifest === undefined) return undefined
      used.add(`manifest:${digest}`)
      for (const item of itemsIn(manifest)) used.add(`item:${item}`)
    }
    return used
  }

  async #recentIds(): Promise<string[]> {
    const log = configKeys.log(this.#gateway)
    const entries = await this.#redis.send('xrevrange', [log, '+', '-', 'count', GENERATIONS])
    if (!Array.isArray(entries)) return []
    return entries.flatMap((entry: unknown) => {
      const fields = Array.isArray(entry) ? strings(entry[1]) : []
      const [epoch, generation] = ['epoch', 'gen'].map(name => fields[fields.indexOf(name) + 1])
      return epoch === undefined || generation === undefined ? [] : [`${epoch}.${generation}`]
    })
  }

  /** Digests of tenant manifests that these roots name, by tenant; undefined when a root is not there. */
  async #manifestsOf(ids: ReadonlySet<string>): Promise<Map<string, Set<string>> | undefined> {
    const found = new Map<string, Set<string>>()
    for (const id of ids) {
      const root = await this.#store.rootManifest(id)
      if (root === undefined) return undefined
      for (const [tenant, digest] of Object.entries(tenantsIn(root))) {
        const known = found.get(tenant)
        if (known === undefined) found.set(tenant, new Set([digest]))
        else known.add(digest)
      }
    }
    return found
  }

  async #milliseconds(): Promise<number> {
    const [seconds, micros] = strings(await this.#redis.send('time', []))
    return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
  }
}

interface Run {
  readonly place: Place
  readonly cutoff: number
}

/** An index, its fence, and what its members mean. */
interface Heap {
  readonly head: string
  readonly index: string
  readonly keyOf: (member: string) => string
  /** Undefined: nobody can say, so everything stays. */
  readonly isUsed: () => Promise<((member: string) => boolean) | undefined>
}

function pieceOf(member: string): Piece {
  if (member.startsWith('item:')) return `item:${member.slice(5)}`
  if (member.startsWith('root:')) return `root:${member.slice(5)}`
  return `manifest:${member.slice(9)}`
}

function strings(reply: unknown): string[] {
  return Array.isArray(reply) ? reply.map(String) : []
}

/** Whatever signed it: what a root in the store names is kept. */
function tenantsIn(root: string): Readonly<Record<string, string>> {
  return Root.parse(JSON.parse(root)).manifest.tenants
}

function itemsIn(manifest: string): string[] {
  return Manifest.parse(JSON.parse(manifest)).items.map(entry => entry.digest)
}
