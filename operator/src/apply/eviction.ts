// Whether the store would throw configuration away to make room.
import type { RedisCommands } from '@smartflow/core/snapshot/redis-config-store'

/** Policies by which any key may go. The configuration has no expiry, so that the `volatile` ones leave it alone. */
const UNSAFE = /^allkeys-/

/**
 * What is wrong with the store's memory settings; undefined when nothing is, or the store does not tell (some hosted ones).
 * Rejects while the store is away.
 */
export async function evictionProblem(redis: RedisCommands): Promise<string | undefined> {
  const info = await redis.send('info', ['memory']).catch((error: unknown) => {
    if (error instanceof Error && error.name === 'ReplyError') return ''
    throw error
  })
  const fields = new Map(
    String(info)
      .split(/\r?\n/)
      .map(line => line.split(':', 2))
      .map(([name = '', value = '']) => [name, value] as const),
  )
  const policy = fields.get('maxmemory_policy') ?? ''
  if (!UNSAFE.test(policy)) return undefined
  return `maxmemory-policy is ${policy}: the store may throw configuration away; set noeviction or a volatile- policy`
}
