// A reader of one tenant's configuration that asks for nothing else, whatever the root manifest names.
import type { ConfigReader } from '@smartflow/core/snapshot/config-store'
import { SnapshotError } from '@smartflow/core/snapshot/snapshot-error'

/** `reader` with every question about another tenant refused by a SnapshotError: the store would not answer it either. */
export function onlyTenant(reader: ConfigReader, tenant: string): ConfigReader {
  const refuseOther = (name: string): void => {
    if (name === tenant) return
    const message = `the root manifest of tenant "${tenant}" names the tenant "${name}" too; publish again`
    throw new SnapshotError('MANIFEST_INVALID', message)
  }
  return {
    head: () => reader.head(),
    rootManifest: id => reader.rootManifest(id),
    async tenantManifest(name, digest) {
      refuseOther(name)
      return reader.tenantManifest(name, digest)
    },
    async items(name, digests) {
      refuseOther(name)
      return reader.items(name, digests)
    },
  }
}
