// Before an uninstallation: takes the operator's finalizer off every VirtualKey, so that no object and no namespace waits
// for an operator that is gone. The operator itself is scaled to nothing first, or it would put them back.
import type { KubeClient } from './api/client.ts'
import { isRecord, keyOf, type KubeObject, TYPES } from './api/resource-type.ts'
import { ApiError } from './api/api-error.ts'
import { Writer } from './apply/writer.ts'
import { REVOKE_FINALIZER } from './control/key-annotations.ts'

const PAGE = 500
/** Conflicts with others who write the same object at the same time. */
const ATTEMPTS = 5
/** An operator that leads gives its lease back when it ends; one that was killed lets it run out. */
const LEASE_MS = 60_000
const LOOK_MS = 500

/** What a cleanup works with. */
export interface CleanUpOptions {
  readonly client: Pick<KubeClient, 'get' | 'list' | 'create' | 'apply' | 'patchJson' | 'delete'>
  readonly namespace: string
  readonly gateway: string
  readonly log: (level: 'info' | 'warn', message: string, fields?: Readonly<Record<string, unknown>>) => void
}

/** Rejects when a finalizer could not be taken off. */
export async function cleanUp(options: CleanUpOptions): Promise<void> {
  const { client, namespace, gateway, log } = options
  const name = `${gateway}-operator`
  await stopOperator(client, namespace, name)
  await waitForLease(options, name)
  const writer = new Writer(client)
  let count = 0
  let next: string | undefined
  do {
    const page = await client.list(TYPES.VirtualKey, { limit: PAGE, continue: next })
    for (const key of page.items) if (await release(client, writer, key)) count++
    next = page.continue
  } while (next !== undefined)
  log('info', 'finalizers taken off', { keys: count })
}

async function stopOperator(client: CleanUpOptions['client'], namespace: string, name: string): Promise<void> {
  try {
    const operations = [{ op: 'replace', path: '/spec/replicas', value: 0 } as const]
    await client.patchJson({ type: TYPES.Deployment, namespace, name }, operations, { subresource: 'scale' })
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'NotFound')) throw error
  }
}

async function waitForLease({ client, namespace, log }: CleanUpOptions, name: string): Promise<void> {
  const end = Date.now() + LEASE_MS
  for (;;) {
    const lease = await client.get({ type: TYPES.Lease, namespace, name })
    const spec = lease !== undefined && isRecord(lease.spec) ? lease.spec : {}
    const holder = typeof spec['holderIdentity'] === 'string' ? spec['holderIdentity'] : ''
    if (holder === '') return
    if (Date.now() >= end) return log('warn', 'an operator still holds its lease; going on', { holder })
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  }
}

async function release(client: CleanUpOptions['client'], writer: Writer, listed: KubeObject): Promise<boolean> {
  let key: KubeObject | undefined = listed
  for (let attempt = 1; key !== undefined; attempt++) {
    if (!(key.metadata.finalizers ?? []).includes(REVOKE_FINALIZER)) return false
    try {
      await writer.removeFinalizer(keyOf(key), REVOKE_FINALIZER, key)
      return true
    } catch (error) {
      if (attempt === ATTEMPTS || !(error instanceof ApiError && error.reason === 'Conflict')) throw error
      key = await client.get(keyOf(key))
    }
  }
  return false
}
