// Names of the Redis keys that carry configuration. Braces are Redis Cluster hash tags: keys of one script share a
// slot. A tenant's keys all begin with `sf:{tenant}:`, so that a Redis user can be kept to one tenant.

/** `<epoch>.<generation>`: how a root manifest is called in its key and in the head. */
export function manifestId(epoch: number, generation: number): string {
  return `${epoch}.${generation}`
}

/** Something a tenant's part of the store holds, and its name there: a digest, or the id of a root manifest. */
export type Piece = `item:${string}` | `manifest:${string}` | `root:${string}`

/** Keys of a gateway's configuration. */
export const configKeys = {
  /** Hash: epoch, gen, digest, manifest of what is in force; claimed: the newest epoch that a writer took. */
  head: (gateway: string): string => `sf:cfg:{${gateway}}:head`,
  /** Stream: every commit, oldest dropped. */
  log: (gateway: string): string => `sf:cfg:{${gateway}}:log`,
  /** Channel: `epoch.generation` of a commit; a hint only, readers poll the head too. */
  notify: (gateway: string): string => `sf:cfg:{${gateway}}:notify`,
  /** String: a signed root manifest. */
  rootManifest: (gateway: string, id: string): string => `sf:cfg:{${gateway}}:manifest:${id}`,
  /** Sorted set: ids of root manifests by when they were written (milliseconds). */
  index: (gateway: string): string => `sf:cfg:{${gateway}}:index`,
  /** Set: every tenant that ever had a head of its own. */
  tenants: (gateway: string): string => `sf:cfg:{${gateway}}:tenants`,
  /** Hash: the head of one tenant, for readers that may see no other; touched-epoch, touched-gen: the newest writer. */
  tenantHead: (gateway: string, tenant: string): string => `sf:{${tenant}}:cfg:${gateway}:head`,
  /** Stream: commits of a tenant's head. */
  tenantLog: (gateway: string, tenant: string): string => `sf:{${tenant}}:cfg:${gateway}:log`,
  /** Channel: as `notify`, for a tenant's head. */
  tenantNotify: (gateway: string, tenant: string): string => `sf:{${tenant}}:cfg:${gateway}:notify`,
  /** Sorted set: the tenant's pieces by when a configuration last began or ceased to refer to them (milliseconds). */
  tenantIndex: (gateway: string, tenant: string): string => `sf:{${tenant}}:cfg:${gateway}:index`,
  /** String: a piece. Manifests and items in canonical JSON, a root signed. */
  piece: (gateway: string, tenant: string, piece: Piece): string => `sf:{${tenant}}:cfg:${gateway}:${piece}`,
  /** Hash with expiry: what one process serves. */
  ack: (gateway: string, process: string): string => `sf:ack:{${gateway}}:${process}`,
  /** Channel: the name of a process that acknowledged something, or took its acknowledgement back. */
  ackNotify: (gateway: string): string => `sf:ack:{${gateway}}:notify`,
  /** As `ack`, of a process that serves one tenant alone; no gateway counts it. */
  tenantAck: (tenant: string, process: string): string => `sf:{${tenant}}:ack:${process}`,
  /** As `ackNotify`, of those. */
  tenantAckNotify: (tenant: string): string => `sf:{${tenant}}:ack:notify`,
} as const
