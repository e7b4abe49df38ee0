// The ledger as it lies in Redis, read past the gateway: what tests believe about money.
import type { RedisConnection } from '../../dataplane/src/stores/redis/connection.ts'

/** Micro-dollars. */
export interface Book {
  readonly spent: number
  readonly held: number
}

/** Reads one tenant's ledger. */
export class Books {
  readonly #redis: RedisConnection
  readonly #prefix: string

  constructor(redis: RedisConnection, tenant: string) {
    this.#redis = redis
    this.#prefix = `sf:{${tenant}}:led:`
  }

  /** The budget of a scope ("key:<namespace>/app", "team:a", "tenant"), its windows added up. */
  async budget(scope: string): Promise<Book> {
    const book = { spent: 0, held: 0 }
    for (const key of await this.#keys(`b:${scope}:*`)) {
      const [spent, held] = (await this.#redis.send('hmget', [key, 'spent', 'held'])) as (string | null)[]
      book.spent += Number(spent ?? 0)
      book.held += Number(held ?? 0)
    }
    return book
  }

  /** Holds that any process has. */
  async holds(): Promise<number> {
    let holds = 0
    for (const key of await this.#keys('h:*')) holds += Number(await this.#redis.send('scard', [key]))
    return holds
  }

  async #keys(pattern: string): Promise<string[]> {
    return (await this.#redis.send('keys', [`${this.#prefix}${pattern}`])) as string[]
  }
}
