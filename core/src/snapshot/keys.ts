// Names of the Redis keys that carry configuration. Braces are Redis Cluster hash tags: keys of one script share a
// slot.

/** `<epoch>.<generation>`: how a root manifest is called in its key and in the head. */
export function manifestId(epoch: number, generation: number): string {
  return `${epoch}.${generation}`
}

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
  /** String: a tenant's manifest; in the tenant's own slot, so that a tenant's Redis user can be kept to it. */
  tenantManifest: (tenant: string, digest: string): string => `sf:{${tenant}}:cfg:manifest:${digest}`,
  /** String: one item in canonical JSON. */
  item: (tenant: string, digest: string): string => `sf:{${tenant}}:cfg:item:${digest}`,
  /** Hash with expiry: what one process serves. */
  ack: (gateway: string, process: string): string => `sf:ack:{${gateway}}:${process}`,
} as const
