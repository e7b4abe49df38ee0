// Seals what leaves the process for a shared store with the tenant's own key (design: Cache rules).

export interface Sealer {
  /** Sealed bytes open only for the same tenant and context. */
  sealBytes(tenant: string, plain: Buffer, context: string): Buffer
  /** Throws when the bytes were sealed for another tenant or context, or changed since. */
  openBytes(tenant: string, sealed: Buffer, context: string): Buffer
}
