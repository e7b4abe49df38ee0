// cache: answers an equal call from memory, from the shared store, or from the same call on its way; remembers answers.
import type { Micros } from '@smartflow/core/money'
import { Refusal } from '../../exchange/refusal.ts'
import type { Reply } from '../../exchange/reply.ts'
import type { Admitted, Handler, Lookup, Stage } from '../../exchange/stage.ts'
import { of, watch } from '../../exchange/streams.ts'
import { costOf } from '../../exchange/usage.ts'
import type { Gateway } from '../../ports/gateway.ts'
import { type Entry, unpackEntry } from './entry.ts'
import { Flights, follow, type Lead } from './flights.ts'
import { lookUp } from './lookup.ts'
import { Shelf } from './shelf.ts'

/** Seconds an entry may live at most, whatever a header asks for. */
const MAX_TTL = 30 * 24 * 3_600
/** Larger answers are not remembered. */
const MAX_ENTRY_BYTES = 1024 * 1024

type Hit = { readonly from: 'memory' | 'redis' | 'flight'; readonly entry: Entry }

/** Exact phase only: memory → Redis exact → single flight. A hit costs nothing and is served in the caller's form (C01-C04). */
export function cache(gateway: Gateway): Stage<Admitted, Admitted> {
  const tiers: Tiers = { gateway, flights: new Flights(), shelf: new Shelf(gateway) }
  return next => exchange => {
    const lookup = lookupOf(gateway, exchange)
    return lookup ? answer(tiers, { ...exchange, lookup }, next) : next(exchange)
  }
}

/** The early look, unless a policy changed the call since: then what was found answers something else. */
function lookupOf(gateway: Gateway, exchange: Admitted): Lookup | undefined {
  const { lookup, call } = exchange
  return lookup === undefined || lookup.call === call ? lookup : lookUp(gateway, exchange)
}

/** An exchange for which a policy switches the cache on. */
type Cached = Admitted & { readonly lookup: Lookup }

/** Where answers are found and kept. */
interface Tiers {
  readonly gateway: Gateway
  readonly flights: Flights
  readonly shelf: Shelf
}

async function answer(tiers: Tiers, exchange: Cached, next: Handler<Admitted>): Promise<Reply> {
  const { call } = exchange
  const { hit, lead } = call.cacheControl.read ? await find(tiers, exchange) : MISS
  count(tiers.gateway, exchange, hit)
  if (hit) return replay(exchange, hit.entry)
  if (!call.cacheControl.write && !lead) return next(exchange)
  try {
    return remembered(tiers, exchange, await next(exchange), lead)
  } catch (error) {
    lead?.land(undefined)
    lead?.close()
    throw error
  }
}

/** A hit; or a miss, with the lead of a flight when nobody else has it. */
interface Found {
  readonly hit?: Hit
  readonly lead?: Lead
}

const MISS: Found = {}

async function find({ gateway, flights }: Tiers, exchange: Cached): Promise<Found> {
  const { lookup } = exchange
  if (lookup.memory) return { hit: { from: 'memory', entry: unpackEntry(lookup.memory) } }
  const sealed = await lookup.redis
  const entry = sealed && open(gateway, exchange, lookup.key, sealed)
  if (entry) return { hit: { from: 'redis', entry } }
  // The same call may have landed while Redis was asked.
  const landed = gateway.memoryCache.getNow(exchange.presented.tenant.item.name, lookup.key)
  if (landed) return { hit: { from: 'memory', entry: unpackEntry(landed) } }
  const entered = flights.enter(lookup.key)
  if ('lead' in entered) return entered
  const { landed: waiting } = entered.flight
  if (waiting) return { hit: { from: 'memory', entry: waiting } }
  // A stream is not made to wait for the end of another: its reader would see nothing until then.
  if (exchange.call.streams) return MISS
  const shared = await follow(entered.flight, exchange.signal)
  if (exchange.signal.aborted) throw new Refusal('client_gone', 'The caller went away before the answer was complete.')
  return shared ? { hit: { from: 'flight', entry: shared } } : MISS
}

/** Opens a sealed entry and puts it into memory; what does not open is a miss (the tenant's key may have changed). */
function open(gateway: Gateway, exchange: Admitted, key: string, sealed: Buffer): Entry | undefined {
  const tenant = exchange.presented.tenant.item.name
  try {
    const packed = gateway.sealer.openBytes(tenant, sealed, key)
    const entry = unpackEntry(packed)
    gateway.memoryCache.put(tenant, key, packed, Math.min((entry.until - gateway.now()) / 1_000, MAX_TTL))
    return entry
  } catch {
    gateway.cacheStats.add(tenant, { unreadable: 1 })
    return undefined
  }
}

function count(gateway: Gateway, exchange: Cached, hit: Hit | undefined): void {
  const { key } = exchange.lookup
  const saved = hit ? savedBy(gateway, exchange, hit.entry) : { tokensSaved: 0, costSaved: 0 }
  exchange.trace.push({
    kind: 'looked-up',
    key,
    phase: 'exact',
    hit: hit?.from,
    provider: hit?.entry.preset,
    model: hit?.entry.model,
    ...saved,
  })
  const tenant = exchange.presented.tenant.item.name
  if (!hit) return gateway.cacheStats.add(tenant, { misses: 1 })
  const tier = hit.from === 'redis' ? { redisHits: 1 } : { memoryHits: 1 }
  gateway.cacheStats.add(tenant, { hits: 1, exactMatches: 1, ...tier, ...saved })
}

/** What the provider would have used and asked for the same answer. */
function savedBy(
  gateway: Gateway,
  { presented }: Admitted,
  { provider, model, usage }: Entry,
): { tokensSaved: number; costSaved: Micros } {
  const item = presented.tenant.providers.get(provider)
  const price = item && gateway.prices.find(item, model)
  return { tokensSaved: usage.prompt + usage.completion, costSaved: price ? costOf(usage, price) : 0 }
}

function replay({ call }: Admitted, { body, headers }: Entry): Reply {
  const bodies = call.streams ? call.dialect.replay(body, call.wantsUsage) : [body]
  return {
    status: 200,
    headers,
    streams: call.streams,
    frames: of(...bodies.map(bytes => ({ bytes }))),
    meter: call.dialect.meterOf(body),
  }
}

/** The reply, watched: when it ended in order and may be kept, it is stored, after its last byte has passed. */
function remembered({ gateway, shelf }: Tiers, exchange: Admitted, reply: Reply, lead: Lead | undefined): Reply {
  const frames = watch(reply.frames, {
    done(ending) {
      const entry = ending.how === 'complete' ? entryOf(gateway, exchange, reply) : undefined
      lead?.land(entry)
      if (!entry || !store(shelf, exchange, entry, lead)) lead?.close()
    },
  })
  return { ...reply, frames }
}

/** Never stored: errors, refusals, truncated and empty answers, tool calls unless the policy allows them. */
function entryOf(gateway: Gateway, exchange: Admitted, reply: Reply): Entry | undefined {
  const { meter, servedBy } = reply
  const { finish, toolCalls, usage } = meter.read()
  const storable = finish === 'stop' || (finish === 'tool_calls' && exchange.rights.policy.cache?.toolCalls === true)
  if (!storable || (toolCalls && exchange.rights.policy.cache?.toolCalls !== true) || !servedBy) return undefined
  const body = meter.whole()
  if (!body || body.length > MAX_ENTRY_BYTES) return undefined
  return {
    provider: servedBy.provider,
    preset: servedBy.preset,
    model: servedBy.model,
    until: gateway.now() + ttlOf(exchange) * 1_000,
    headers: reply.headers,
    usage,
    body,
  }
}

/** False for an answer that the caller wants nobody to keep. */
function store(shelf: Shelf, exchange: Admitted, entry: Entry, lead: Lead | undefined): boolean {
  const { lookup, presented, call } = exchange
  const ttl = ttlOf(exchange)
  if (!call.cacheControl.write || !lookup || ttl <= 0) return false
  const tenant = presented.tenant.item.name
  shelf.add({ tenant, key: lookup.key, entry, ttl, stored: () => lead?.close() })
  // Without a flight nobody would be told of it until it is in memory: the next equal call may come at once.
  if (!lead) shelf.flush()
  return true
}

/** Seconds that an answer is kept: the caller's word, else the policy's. */
function ttlOf({ call, rights }: Admitted): number {
  return Math.min(call.cacheControl.ttl ?? rights.policy.cache?.ttl ?? 0, MAX_TTL)
}
