// The early look into the exact cache: memory at once, the shared tier in the same flush as admission.
import type { Identified, Lookup } from '../../exchange/stage.ts'
import type { Gateway } from '../../ports/gateway.ts'
import { exactKey } from './key.ts'

/** Undefined when no policy switches the cache on, or the call is not to be cached at all. */
export function lookUp(gateway: Gateway, exchange: Identified): Lookup | undefined {
  const { call, rights, presented } = exchange
  const { cache } = rights.policy
  if (!cache?.enabled || call.operation !== 'chat' || (!call.cacheControl.read && !call.cacheControl.write))
    return undefined
  const limit = cache.maxTemperaturePercent
  if (limit !== undefined && (call.temperature ?? 1) * 100 > limit) return undefined
  const key = exactKey(exchange, cache.scope)
  if (!call.cacheControl.read) return { key, call, memory: undefined, redis: undefined }
  const tenant = presented.tenant.item.name
  const memory = gateway.memoryCache.getNow(tenant, key)
  return { key, call, memory, redis: memory === undefined ? gateway.redisCache.get(tenant, key) : undefined }
}
