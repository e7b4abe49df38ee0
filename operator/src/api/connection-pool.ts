// The one pool of connections to the API server: HTTP/2 where it is spoken, so one socket carries every call and watch.
import { createHash } from 'node:crypto'
import { Pool } from 'undici'
import type { Clock } from './clock.ts'
import type { ClientTls } from './kube-config.ts'

/** A pool lives this long at most: a socket that lives for ever stays with one of several API servers. */
const MAX_AGE_MS = 30 * 60_000
/** Replaced pools may finish their watches; those end by themselves within this. */
const RETIRE_MS = 10 * 60_000
/** Sockets at most, where only HTTP/1.1 is spoken and each watch holds one. */
const CONNECTIONS = 128
const CONNECT_TIMEOUT_MS = 5_000
/** So many calls in a row without an answer mean that the socket leads nowhere. */
const SUSPECT_AFTER = 2

export class ConnectionPool {
  readonly #origin: string
  readonly #clock: Clock
  readonly #retired = new Map<Pool, NodeJS.Timeout>()
  #current: { pool: Pool; identity: string; openedAt: number; unanswered: number } | undefined

  constructor(origin: string, clock: Clock) {
    this.#origin = origin
    this.#clock = clock
  }

  /** The pool for a call made now: another one after certificates or CA changed, and when it grew old. */
  take(tls: ClientTls): Pool {
    const identity = identityOf(tls)
    const current = this.#current
    if (current?.identity === identity && this.#clock.now() - current.openedAt < MAX_AGE_MS) return current.pool
    if (current) this.#retire(current.pool)
    const pool = open(this.#origin, tls)
    this.#current = { pool, identity, openedAt: this.#clock.now(), unanswered: 0 }
    return pool
  }

  /** Tells how a call on the pool went. A socket on which nothing is answered any more is given up, watches and all. */
  report(pool: Pool, answered: boolean): void {
    const current = this.#current
    if (current?.pool !== pool) return
    current.unanswered = answered ? 0 : current.unanswered + 1
    if (current.unanswered < SUSPECT_AFTER) return
    this.#current = undefined
    void pool.destroy()
  }

  /** Ends every connection, and the calls on them. */
  async close(): Promise<void> {
    const pools = [...this.#retired.keys(), ...(this.#current ? [this.#current.pool] : [])]
    for (const timer of this.#retired.values()) clearTimeout(timer)
    this.#retired.clear()
    this.#current = undefined
    await Promise.all(pools.map(pool => pool.destroy()))
  }

  #retire(pool: Pool): void {
    const timer = setTimeout(() => void pool.destroy(), RETIRE_MS).unref()
    this.#retired.set(pool, timer)
    void pool.close().finally(() => {
      clearTimeout(timer)
      this.#retired.delete(pool)
    })
  }
}

function open(origin: string, tls: ClientTls): Pool {
  return new Pool(origin, {
    connections: CONNECTIONS,
    pipelining: 1,
    allowH2: true,
    keepAliveTimeout: 30_000,
    // The client has deadlines of its own, by call and by the silence of a watch.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { ...tls, timeout: CONNECT_TIMEOUT_MS, keepAlive: true, keepAliveInitialDelay: 30_000 },
  })
}

function identityOf({ ca, cert, key, servername, rejectUnauthorized }: ClientTls): string {
  const hash = createHash('sha256')
  for (const part of [ca, cert, key, servername, rejectUnauthorized]) hash.update(String(part ?? '')).update('\0')
  return hash.digest('hex')
}
