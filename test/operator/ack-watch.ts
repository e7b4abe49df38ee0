// When each data plane took a configuration: heard from their acknowledgements in Redis as they are written.
import { Redis } from 'ioredis'
import { configKeys } from '@smartflow/core/snapshot/keys'

/** How long a change may take to every pod. */
const PATIENCE_MS = 60_000

/** Follows the acknowledgements of named pods. */
export class AckWatch {
  readonly #gateway: string
  readonly #pods: readonly string[]
  readonly #redis: Redis
  readonly #subscriber: Redis
  readonly #generations = new Map<string, number>()
  readonly #waiting = new Set<() => void>()

  constructor({ redisUrl, gateway, pods }: { redisUrl: string; gateway: string; pods: readonly string[] }) {
    this.#gateway = gateway
    this.#pods = pods
    this.#redis = new Redis(redisUrl)
    this.#subscriber = new Redis(redisUrl)
  }

  /** Resolves when what all pods serve now is known. */
  async start(): Promise<void> {
    this.#subscriber.on('message', (_channel, pod: string) => void this.#look(pod))
    await this.#subscriber.subscribe(configKeys.ackNotify(this.#gateway))
    await Promise.all(this.#pods.map(pod => this.#look(pod)))
  }

  /** The generation that every pod serves, or a later one. */
  generation(): number {
    return Math.min(...this.#pods.map(pod => this.#generations.get(pod) ?? 0))
  }

  /** The newest generation that any pod serves. */
  newest(): number {
    return Math.max(...this.#pods.map(pod => this.#generations.get(pod) ?? 0))
  }

  /** Resolves as soon as every pod serves something newer. Rejects after a minute. */
  async beyond(generation: number): Promise<void> {
    const reached = Promise.withResolvers<void>()
    const look = (): void => {
      if (this.generation() > generation) reached.resolve()
    }
    const late = new Error(`no generation beyond ${generation} on every pod`)
    const timer = setTimeout(() => reached.reject(late), PATIENCE_MS)
    this.#waiting.add(look)
    look()
    try {
      await reached.promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(look)
    }
  }

  close(): void {
    this.#redis.disconnect()
    this.#subscriber.disconnect()
  }

  async #look(pod: string): Promise<void> {
    const generation = Number(await this.#redis.hget(configKeys.ack(this.#gateway, pod), 'gen'))
    this.#generations.set(pod, generation)
    for (const look of this.#waiting) look()
  }
}
