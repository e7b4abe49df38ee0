// Users of the store for tenants' sidecars: made, kept, and taken away with all their connections.
import { createHash } from 'node:crypto'
import type { RedisCommands } from '@smartflow/core/snapshot/redis-config-store'
import { storeUserName, storeUserPrefix, storeUserRules } from '../desired/store-user.ts'

/** Passwords by tenant: of every namespace that may know one. */
export type WantedUsers = ReadonlyMap<string, readonly string[]>

/** The users of one gateway's tenants on one server. Calls must not overlap. */
export class StoreUsers {
  readonly #redis: RedisCommands
  readonly #gateway: string
  /** Passwords as set by this process. */
  readonly #written = new Map<string, string>()
  #swept = false

  constructor({ redis, gateway }: { readonly redis: RedisCommands; readonly gateway: string }) {
    this.#redis = redis
    this.#gateway = gateway
  }

  /** The server was away: another one may be there now, with other users. */
  forget(): void {
    this.#written.clear()
    this.#swept = false
  }

  /**
   * Makes the users as wanted, and removes those of tenants that are not. Rejects with what the server said: it may not let
   * us, or have no users at all. Asks nothing when nothing is wanted and nothing can be left over.
   */
  async keep(wanted: WantedUsers): Promise<void> {
    if (wanted.size === 0 && this.#swept && this.#written.size === 0) return
    this.#swept = true
    const there = new Set(asTexts(await this.#redis.send('acl', ['USERS'])))
    const names = new Map([...wanted].map(([tenant]) => [storeUserName(this.#gateway, tenant), tenant]))
    for (const name of there) {
      if (!name.startsWith(storeUserPrefix(this.#gateway)) || names.has(name)) continue
      await this.#redis.send('acl', ['DELUSER', name])
      this.#written.delete(name)
    }
    for (const [name, tenant] of names) await this.#keepOne(name, tenant, wanted.get(tenant) ?? [], there.has(name))
  }

  async #keepOne(name: string, tenant: string, passwords: readonly string[], exists: boolean): Promise<void> {
    const mark = [...passwords].sort().join(' ')
    if (exists && this.#written.get(name) === mark) return
    const surplus = exists && (await this.#hasOthers(name, passwords))
    await this.#redis.send('acl', ['SETUSER', name, ...storeUserRules(tenant, passwords)])
    // A password that is taken away leaves connections open that came in with it.
    if (surplus) await this.#redis.send('client', ['KILL', 'USER', name])
    this.#written.set(name, mark)
  }

  async #hasOthers(name: string, passwords: readonly string[]): Promise<boolean> {
    const user = await this.#redis.send('acl', ['GETUSER', name])
    const fields: unknown[] = Array.isArray(user) ? user : []
    const digests = asTexts(fields[fields.indexOf('passwords') + 1])
    const known = new Set(passwords.map(password => createHash('sha256').update(password).digest('hex')))
    return digests.some(digest => !known.has(digest))
  }
}

function asTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}
