// Whose each token is: of the key that it was served for last. Compiling gives it to nobody else.
import type { Resource } from '@smartflow/core/resources/resource'
import type { Item } from '@smartflow/core/snapshot/items'
import { isRecord } from '../api/resource-type.ts'
import { objectId } from '../watch/object-id.ts'
import type { Observed } from '../watch/observed.ts'

/** What was compiled last. */
interface Compiled {
  readonly resources: ReadonlyMap<string, Resource>
  readonly items: ReadonlyMap<string, Item>
}

/** The keys' uids by their tokens' ids. Before the first plan statuses say it: only keys that are served have an id there. */
export function heldTokens(plan: Compiled | undefined, observed: Pick<Observed, 'all'>): ReadonlyMap<string, string> {
  const held = new Map<string, string>()
  if (plan === undefined) {
    for (const { live } of observed.all()) {
      const keyID = isRecord(live.status) ? live.status['keyID'] : undefined
      if (live.kind === 'VirtualKey' && typeof keyID === 'string') held.set(keyID, live.metadata.uid)
    }
    return held
  }
  for (const item of plan.items.values()) {
    if (item.kind !== 'VirtualKey') continue
    const [namespace, name = ''] = item.name.split('/')
    const uid = plan.resources.get(objectId('VirtualKey', namespace, name))?.metadata.uid
    if (uid !== undefined) for (const { keyId } of item.secrets) held.set(keyId, uid)
  }
  return held
}
