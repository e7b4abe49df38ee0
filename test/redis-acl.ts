// Redis users as the documentation has them: what is written there is what the tests run with.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RedisConnection } from '../dataplane/src/stores/redis/connection.ts'

const DOC = join(import.meta.dirname, '../docs/kubernetes/redis-acl.md')

/** A user that was made. */
export interface RedisUser {
  readonly name: string
  /** Of the same server, with this user's password. */
  readonly url: string
  /** Commands, keys and channels that were refused to it so far. */
  refused(): Promise<string[]>
  remove(): Promise<void>
}

/** Whose user to make; `kind` is the beginning of its name in the documentation. */
export interface RedisUserOptions {
  readonly kind: 'smartflow-operator' | 'smartflow-gateway' | 'smartflow-sidecar-TENANT'
  readonly gateway?: string
  readonly tenant?: string
}

/** Makes a user by the documented rules, under a name of its own. `admin` may do everything on the server of `url`. */
export async function redisUser(admin: RedisConnection, url: string, options: RedisUserOptions): Promise<RedisUser> {
  const [password, name] = [randomBytes(16).toString('hex'), `user-${randomBytes(4).toString('hex')}`]
  const rules = rulesOf(options.kind).map(rule =>
    rule
      .replaceAll('GATEWAY', options.gateway ?? '')
      .replaceAll('TENANT', options.tenant ?? '')
      .replaceAll('PASSWORD', password),
  )
  await admin.send('acl', ['SETUSER', name, ...rules])
  const address = new URL(url)
  address.username = name
  address.password = password
  return {
    name,
    url: address.href,
    async refused() {
      const log = (await admin.send('acl', ['LOG', '128'])) as unknown[]
      return log
        .map(entryOf)
        .flatMap(entry => (entry['username'] === name ? `${String(entry['reason'])} ${String(entry['object'])}` : []))
    },
    async remove() {
      await admin.send('acl', ['DELUSER', name])
    },
  }
}

function rulesOf(kind: string): string[] {
  const blocks = readFileSync(DOC, 'utf8').matchAll(/```\nACL SETUSER (\S+) ([^`]*)```/g)
  for (const [, name, rules = ''] of blocks) if (name === kind) return rules.trim().split(/\s+/)
  throw new Error(`${DOC} has no user ${kind}`)
}

function entryOf(entry: unknown): Record<string, unknown> {
  if (!Array.isArray(entry)) return Object.fromEntries(Object.entries(entry ?? {}))
  const pairs: [string, unknown][] = []
  for (let at = 0; at < entry.length; at += 2) pairs.push([String(entry[at]), entry[at + 1]])
  return Object.fromEntries(pairs)
}
