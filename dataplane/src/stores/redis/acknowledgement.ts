// What this process serves, told to the store for as long as it lives: the operator's proof that a configuration is in force.
import { randomBytes } from 'node:crypto'
import { SNAPSHOT_SCHEMA, type Version } from '@smartflow/core/snapshot/snapshot-data'
import { loadScript, type RedisConnection } from './connection.ts'

const ackScript = loadScript(new URL('./ack.lua', import.meta.url))

/** An acknowledgement that is not renewed is forgotten after this. */
const LIFE_SECONDS = 45
const MAX_PROBLEM = 1_000

/** Where it is told, and by whom. `process` names the pod, so that a restarted container takes its own place again. */
export interface AcknowledgementOptions {
  readonly redis: RedisConnection
  readonly key: string
  /** Channel that is told `process` after every change. */
  readonly channel: string
  readonly process: string
  /** Release of this program. */
  readonly version: string
}

/** See the file's head. Nothing in force is told as epoch 0, generation 0, with the problem that explains it. */
export class Acknowledgement {
  /** Random a process start: the operator tells a restarted container from one that went on. */
  readonly boot: string = randomBytes(8).toString('hex')
  readonly #options: AcknowledgementOptions

  constructor(options: AcknowledgementOptions) {
    this.#options = options
  }

  /** Tells, and renews the life. Rejects while the store is away. */
  async tell(served: Version | undefined, problem: string | undefined): Promise<void> {
    const { redis, key, channel, process, version } = this.#options
    const fields = {
      boot: this.boot,
      epoch: served?.epoch ?? 0,
      gen: served?.generation ?? 0,
      digest: served?.digest ?? '',
      schema: SNAPSHOT_SCHEMA,
      version,
      problem: (problem ?? '').slice(0, MAX_PROBLEM),
    }
    await redis.run(ackScript, [key], [LIFE_SECONDS, channel, process, ...Object.entries(fields).flat()])
  }

  /** Takes it back: this process serves no more. Rejects while the store is away; then it expires. */
  async withdraw(): Promise<void> {
    const { redis, key, channel, process } = this.#options
    await Promise.all([redis.send('del', [key]), redis.send('publish', [channel, process])])
  }
}
