// The audit log on Redis: one stream a tenant with indexes by id, provider and model; content apart, with a time to live.
import { Refusal } from '../../exchange/refusal.ts'
import type { AuditContent, AuditEntry, AuditHealth, AuditLog, AuditQuery, AuditRecord } from '../../ports/audit-log.ts'
import { packContent, readContent, readRecord, recordText } from '../audit-text.ts'
import { hurryKey, indexesOf, indexFor, indexKeys, logOf, matches } from './audit-names.ts'
import { loadScript, type RedisConnection } from './connection.ts'
import { ReplicaAcks } from './replica-acks.ts'
import { ReplicaWatch } from './replica-watch.ts'
import type { ScriptArgument } from './script-call.ts'
import { Spool, type Spooled } from './spool.ts'

const appendScript = loadScript(new URL('./append.lua', import.meta.url))
const listScript = loadScript(new URL('./list.lua', import.meta.url))

/** What is kept, and for how long. */
export interface RedisAuditLogOptions {
  readonly redis: RedisConnection
  /** The one tenant that this process serves, if so: nothing outside its keys is read or written. */
  readonly only?: string | undefined
  /** Records a tenant; the oldest go first, up to 64 at a time: so many, or a hundredth, may stand above the bound. */
  readonly maxRecords?: number
  /** Records of callers that were never identified, in a log of their own, so that a flood of them pushes nothing else out. */
  readonly maxStrangers?: number
  readonly retentionDays?: number
  readonly contentDays?: number
  /** Content longer than this is compressed. */
  readonly compressFromBytes?: number
  /** What may wait while the store is away. */
  readonly maxSpooled?: number
  readonly maxSpooledBytes?: number
}

const DAY_MS = 86_400_000
const MAX_RECORDS = 100_000
const MAX_STRANGERS = 1000
/** Of the spool, as much as this may be strangers' records. */
const STRANGERS_SHARE = 0.05
const RETENTION_DAYS = 30
const COMPRESS_FROM_BYTES = 1024
const MAX_SPOOLED = 10_000
const MAX_SPOOLED_BYTES = 32 * 1024 * 1024
/** What an entry costs beside its texts. */
const OVERHEAD_BYTES = 500
const TICK_MS = 1000
const DRAIN_POLL_MS = 5
/** So many fresh records do not wait any longer. */
const FRESH = 64
const MAX_LIMIT = 1000
const RECORDS_AT_ONCE = 100
const CONTENTS_AT_ONCE = 50
/** Content is left out of a list once it gave this much; each record still has it by its id. */
const MAX_LIST_BYTES = 16 * 1024 * 1024
/** Places a millisecond (append.lua). */
const PLACES = 1024

interface AuditWrite extends Spooled {
  readonly id: string
  readonly text: string
  /** Of its indexes, one a line. */
  readonly names: string
  readonly content: { readonly key: string; readonly packed: Buffer } | undefined
}

/** See the file's head. Does not own the connection. */
export class RedisAuditLog implements AuditLog {
  readonly #redis: RedisConnection
  readonly #options: RedisAuditLogOptions
  readonly #spool: Spool<AuditWrite>
  readonly #strangers: Spool<AuditWrite>
  readonly #replicas: ReplicaWatch
  readonly #timer: NodeJS.Timeout
  readonly #forget: () => void
  /** Not made yet: many at once cost half of what they cost one by one between other work. */
  #fresh: { readonly fold: () => AuditRecord; readonly content: AuditContent | undefined }[] = []

  constructor(options: RedisAuditLogOptions) {
    this.#redis = options.redis
    this.#options = options
    this.#replicas = this.#watch()
    this.#spool = this.#open(1)
    this.#strangers = this.#open(STRANGERS_SHARE)
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
    this.#forget = this.#redis.onChange(up => up && this.#back())
    void this.#replicas.look()
  }

  append(fold: () => AuditRecord, content: AuditContent | undefined): void {
    this.#fresh.push({ fold, content })
    if (this.#fresh.length >= FRESH) this.#take()
    else this.#redis.later(this.#take)
  }

  fold(): void {
    this.#take()
  }

  /** What this process appended before is among them: it is sent first. */
  async list(query: AuditQuery): Promise<readonly AuditEntry[]> {
    this.#take()
    const limit = Math.min(query.limit, MAX_LIMIT)
    const records = await this.#find({ ...query, limit })
    return this.#withContent(query.tenant, records)
  }

  async get(tenant: string, id: string): Promise<AuditEntry | undefined> {
    this.#take()
    const log = this.#readable(tenant)
    const score = await this.#redis.send('zscore', [`${log}:ids`, id])
    if (score === null) return undefined
    const place = Number(score)
    const at = `${Math.floor(place / PLACES)}-${place % PLACES}`
    const record = recordOf(await this.#redis.send('xrange', [log, at, at]))
    if (record === undefined) return undefined
    const [entry] = await this.#withContent(tenant, [record])
    return entry
  }

  health(): AuditHealth {
    this.#take()
    return {
      up: this.#redis.up(),
      spooled: this.#spool.size() + this.#strangers.size(),
      lost: this.#spool.lost(),
      strangersLost: this.#strangers.lost(),
      uncovered: this.#spool.uncovered() + this.#strangers.uncovered(),
    }
  }

  async drain(timeoutMs: number): Promise<void> {
    const end = performance.now() + timeoutMs
    while (this.health().spooled > 0 && performance.now() < end) {
      this.#take()
      await new Promise(resolve => setTimeout(resolve, DRAIN_POLL_MS))
    }
  }

  /** Ends its timers, and the connection it may have opened. What is still spooled is lost. */
  close(): void {
    clearInterval(this.#timer)
    this.#forget()
    this.#replicas.close()
  }

  #watch(): ReplicaWatch {
    const both = (act: (spool: Spool<AuditWrite>) => void): void => {
      act(this.#spool)
      act(this.#strangers)
    }
    return new ReplicaWatch({
      source: new ReplicaAcks(this.#redis, hurryKey(this.#options.only)),
      waiting: () => this.#spool.waits() || this.#strangers.waits(),
      covered: number => both(spool => spool.covered(number)),
      moved: () => both(spool => spool.again()),
      alone: () => both(spool => spool.giveUp()),
      now: () => performance.now(),
    })
  }

  /** Makes the fresh ones and sends them, if the store takes them. */
  #take = (): void => {
    const fresh = this.#fresh
    this.#fresh = []
    for (const { fold, content } of fresh) {
      const record = fold()
      const spool = record.tenant === '' ? this.#strangers : this.#spool
      spool.add(this.#write(record, content))
    }
    this.#spool.resume()
    this.#strangers.resume()
  }

  #tick(): void {
    this.#replicas.tick()
    this.#take()
  }

  /** The store is back. Which one it is, is asked before anything is told to it. */
  #back(): void {
    void this.#replicas.look()
    this.#take()
  }

  #open(share: number): Spool<AuditWrite> {
    return new Spool<AuditWrite>({
      send: entries => this.#send(entries),
      soon: flush => this.#redis.later(flush),
      ready: () => this.#redis.up(),
      coverage: this.#replicas,
      maxEntries: Math.ceil((this.#options.maxSpooled ?? MAX_SPOOLED) * share),
      maxBytes: Math.ceil((this.#options.maxSpooledBytes ?? MAX_SPOOLED_BYTES) * share),
    })
  }

  #write(record: AuditRecord, content: AuditContent | undefined): AuditWrite {
    const log = logOf(record.tenant, this.#options.only)
    const text = recordText(record)
    const packed = content && packContent(content, this.#options.compressFromBytes ?? COMPRESS_FROM_BYTES)
    return {
      group: record.tenant,
      id: record.id,
      text,
      names: indexesOf(record),
      content: packed && { key: `${log}:c:${record.id}`, packed },
      bytes: text.length + (packed?.byteLength ?? 0) + OVERHEAD_BYTES,
    }
  }

  /** Records of one tenant. Contents first: whoever finds a record finds its content. All leave in one write. */
  #send(writes: readonly AuditWrite[]): Promise<unknown> {
    const tenant = writes[0]?.group ?? ''
    const { maxRecords = MAX_RECORDS, maxStrangers = MAX_STRANGERS, retentionDays = RETENTION_DAYS } = this.#options
    const log = logOf(tenant, this.#options.only)
    const life = (this.#options.contentDays ?? retentionDays) * DAY_MS
    const args: ScriptArgument[] = [tenant === '' ? maxStrangers : maxRecords, retentionDays * DAY_MS]
    const names = new Set<string>()
    const sent: Promise<unknown>[] = []
    for (const { id, text, names: own, content } of writes) {
      if (content !== undefined) sent.push(this.#redis.sendLean(['set', content.key, content.packed, 'PX', life]))
      args.push(id, text, own)
      names.add(own)
    }
    const appended = this.#redis.run(appendScript, [log, `${log}:ids`, ...indexKeys(log, names)], args)
    return sent.length === 0 ? appended : Promise.all([...sent, appended])
  }

  #readable(tenant: string): string {
    const { only } = this.#options
    if (only === undefined || tenant === '' || tenant === only) return logOf(tenant, only)
    throw new Refusal(
      'not_found',
      `This process serves the tenant "${only}" only; ask the gateway for the log of others.`,
    )
  }

  /** Goes by one index; a second condition, and the exact time, are looked at here. */
  async #find(query: AuditQuery): Promise<AuditRecord[]> {
    const { tenant, limit, offset, since } = query
    const log = this.#readable(tenant)
    const keys = [log, `${log}:${indexFor(query)}`]
    const lowest = Math.max(0, since) * PLACES
    const narrow = query.provider !== undefined && query.model !== undefined
    const found = new Map<string, AuditRecord>()
    const wanted = narrow ? offset + limit : limit
    for (let at = narrow ? 0 : offset; found.size < wanted; at += RECORDS_AT_ONCE) {
      const count = narrow ? RECORDS_AT_ONCE : Math.min(RECORDS_AT_ONCE, wanted - found.size)
      const reply = await this.#redis.run(listScript, keys, [lowest, at, count])
      const texts: unknown[] = Array.isArray(reply) ? reply : []
      for (const record of texts.flatMap(readText)) if (matches(record, query)) found.set(record.id, record)
      if (texts.length < count) break
    }
    return [...found.values()].slice(narrow ? offset : 0, wanted)
  }

  async #withContent(tenant: string, records: readonly AuditRecord[]): Promise<AuditEntry[]> {
    const log = this.#readable(tenant)
    const entries: AuditEntry[] = []
    let bytes = 0
    for (let at = 0; at < records.length; at += CONTENTS_AT_ONCE) {
      const some = records.slice(at, at + CONTENTS_AT_ONCE)
      const keys = some.map(({ id }) => `${log}:c:${id}`)
      const reply = bytes < MAX_LIST_BYTES ? await this.#redis.sendBuffer('mget', keys) : []
      const values: unknown[] = Array.isArray(reply) ? reply : []
      for (const [place, record] of some.entries()) {
        const packed = values[place]
        const content = Buffer.isBuffer(packed) ? readContent(packed) : undefined
        bytes += content === undefined ? 0 : content.request.length + content.response.length
        entries.push({ record, content })
      }
    }
    return entries
  }
}

function readText(text: unknown): AuditRecord[] {
  const record = typeof text === 'string' ? readRecord(text) : undefined
  return record === undefined ? [] : [record]
}

/** The record of an XRANGE over one place. */
function recordOf(reply: unknown): AuditRecord | undefined {
  const entry: unknown = Array.isArray(reply) ? reply[0] : undefined
  const fields: unknown = Array.isArray(entry) ? entry[1] : undefined
  return Array.isArray(fields) ? readText(fields[fields.indexOf('r') + 1])[0] : undefined
}
