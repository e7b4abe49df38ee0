// Where this process finds published configuration and acknowledges it: the gateway's place, or that of one tenant.
import type { ConfigReader } from '@smartflow/core/snapshot/config-store'
import { configKeys } from '@smartflow/core/snapshot/keys'
import { RedisConfigStore } from '@smartflow/core/snapshot/redis-config-store'
import type { RedisConnection } from './connection.ts'
import { onlyTenant } from './only-tenant.ts'

/** See the file's head. */
export interface ConfigPlace {
  readonly reader: ConfigReader
  /** Channel of hints that something was published. */
  readonly channel: string
  /** Where a process acknowledges, and the channel that is told so. */
  readonly ack: { readonly key: string; readonly channel: string }
}

/** Whose configuration, and what the process is called in its acknowledgement. */
export interface PlaceOptions {
  readonly redis: RedisConnection
  readonly gateway: string
  /** Everything is then among this tenant's keys. */
  readonly tenant: string | undefined
  readonly process: string
}

/** See `PlaceOptions`. */
export function configPlace({ redis, gateway, tenant, process }: PlaceOptions): ConfigPlace {
  const store = new RedisConfigStore({ redis, gateway })
  if (tenant === undefined) {
    return {
      reader: store,
      channel: configKeys.notify(gateway),
      ack: { key: configKeys.ack(gateway, process), channel: configKeys.ackNotify(gateway) },
    }
  }
  return {
    reader: onlyTenant(store.readerOf(tenant), tenant),
    channel: configKeys.tenantNotify(gateway, tenant),
    ack: { key: configKeys.tenantAck(tenant, process), channel: configKeys.tenantAckNotify(tenant) },
  }
}
