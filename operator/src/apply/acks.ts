// What the gateway's pods say they serve, read from the store.
import { configKeys } from '@smartflow/core/snapshot/keys'
import type { RedisCommands } from '@smartflow/core/snapshot/redis-config-store'

/** Pods asked for at a time. */
const AT_ONCE = 500

/** What one process serves. `epoch` 0: nothing is in force there. */
export interface Ack {
  /** Another one after each start of the process. */
  readonly bootId: string
  readonly epoch: number
  readonly generation: number
  readonly digest: string
  /** When it was said, in milliseconds of this process's clock; only the store's clock went into it. */
  readonly at: number
  /** Why the pod does not take what is newer; undefined when it does. */
  readonly problem: string | undefined
  /** The newest configuration schema that the process reads. */
  readonly schema: number
  /** Release of the process. */
  readonly version: string
}

/** What acknowledgements are read with. */
export interface AcksOptions {
  readonly redis: RedisCommands
  readonly gateway: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Reads acknowledgements of named pods; never a list of all, since a pod that is gone leaves its own behind a while. */
export class Acks {
  readonly #options: AcksOptions

  constructor(options: AcksOptions) {
    this.#options = options
  }

  /** Those of the pods that have one, by pod uid. Rejects while the store is away: that is not the same as none. */
  async read(podUids: readonly string[]): Promise<Map<string, Ack>> {
    const found = new Map<string, Ack>()
    for (let at = 0; at < podUids.length; at += AT_ONCE) {
      for (const [uid, ack] of await this.#readSome(podUids.slice(at, at + AT_ONCE))) found.set(uid, ack)
    }
    return found
  }

  /** All in one write: replies come in order, and the store's clock with them. */
  async #readSome(uids: readonly string[]): Promise<[string, Ack][]> {
    const { redis, gateway, now } = this.#options
    const [time, ...hashes] = await Promise.all([
      redis.send('time', []),
      ...uids.map(uid => redis.send('hgetall', [configKeys.ack(gateway, uid)])),
    ])
    const behind = now() - millisecondsOf(time)
    return uids.flatMap((uid, at): [string, Ack][] => {
      const ack = ackOf(fieldsOf(hashes[at]), behind)
      return ack === undefined ? [] : [[uid, ack]]
    })
  }
}

/** `behind`: what to add to the store's time for this process's. Undefined for what is no acknowledgement. */
function ackOf(fields: ReadonlyMap<string, string>, behind: number): Ack | undefined {
  const [epoch, generation, at] = ['epoch', 'gen', 'at'].map(name => Number(fields.get(name) ?? NaN))
  if (!isCount(epoch) || !isCount(generation) || !isCount(at)) return undefined
  return {
    bootId: fields.get('boot') ?? '',
    epoch,
    generation,
    digest: fields.get('digest') ?? '',
    at: at + behind,
    problem: fields.get('problem') || undefined,
    schema: Number(fields.get('schema') ?? 0),
    version: fields.get('version') ?? '',
  }
}

function isCount(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

/** A flat list in RESP2, an object in some clients. */
function fieldsOf(reply: unknown): Map<string, string> {
  const fields = new Map<string, string>()
  if (Array.isArray(reply)) {
    const flat: unknown[] = reply
    for (let at = 0; at + 1 < flat.length; at += 2) fields.set(String(flat[at]), String(flat[at + 1]))
  } else if (typeof reply === 'object' && reply !== null) {
    for (const [name, value] of Object.entries(reply)) fields.set(name, String(value))
  }
  return fields
}

function millisecondsOf(time: unknown): number {
  const [seconds, micros]: unknown[] = Array.isArray(time) ? time : []
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
}
