// Asks a server about its replicas, without holding up what else goes over the connection.
import type { RedisConnection } from './connection.ts'
import type { ReplicaSource } from './replica-watch.ts'

const KEY_MS = 60_000
/** Shorter than a command may take. */
const WAIT_MS = 200

/** Needs the commands INFO and WAIT. Opens a second connection when there is a replica to hurry, not before. */
export class ReplicaAcks implements ReplicaSource {
  readonly #redis: RedisConnection
  readonly #key: string
  #own: RedisConnection | undefined

  /** `key` is written and waited for, to have replicas acknowledge at once. */
  constructor(redis: RedisConnection, key: string) {
    this.#redis = redis
    this.#key = key
  }

  info(): Promise<unknown> {
    return this.#redis.send('info', ['replication'])
  }

  /** WAIT blocks its connection, and waits for what that connection wrote. */
  hurry(): Promise<unknown> {
    this.#own ??= this.#redis.another('acks')
    return Promise.all([this.#own.send('set', [this.#key, '', 'PX', KEY_MS]), this.#own.send('wait', [1, WAIT_MS])])
  }

  close(): void {
    this.#own?.close()
  }
}
