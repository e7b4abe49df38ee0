// The audit log's keys and the names of its indexes. All of a tenant's keys share one slot: `{tenant}` is their hash tag.
import type { AuditQuery, AuditRecord } from '../../ports/audit-log.ts'

const MAX_NAME = 128

/**
 * The log itself. Strangers' records lie under a tenant name that no tenant can have; where only one tenant is served,
 * apart from its records but among its keys.
 */
export function logOf(tenant: string, only: string | undefined): string {
  if (tenant === '' && only !== undefined) return `sf:{${only}}:audit-strangers`
  return `sf:{${tenant === '' ? '-' : tenant}}:audit`
}

/** What is written to hurry replicas. */
export function hurryKey(only: string | undefined): string {
  return only === undefined ? 'sf:audit-acks' : `sf:{${only}}:audit-acks`
}

/** What a record is found by, one a line: its provider, its model, and the model that was asked for. */
export function indexesOf({ provider, model, requestedModel }: AuditRecord): string {
  if (provider === '') return ''
  const [given, asked] = [nameOf(model), nameOf(requestedModel)]
  const both = given === asked ? `m:${given}` : `m:${given}\nm:${asked}`
  return `p:${nameOf(provider)}\n${both}`
}

/** Keys of all indexes that are named, each once. */
export function indexKeys(log: string, names: Iterable<string>): Set<string> {
  const keys = new Set<string>()
  for (const some of names) for (const name of some.split('\n')) if (name !== '') keys.add(`${log}:${name}`)
  return keys
}

/** The index that answers a query best. */
export function indexFor({ provider, model }: AuditQuery): string {
  if (model !== undefined) return `m:${nameOf(model)}`
  return provider === undefined ? 'ids' : `p:${nameOf(provider)}`
}

/** What an index does not say: the time exactly, and the provider where it goes by the model. */
export function matches(record: AuditRecord, { provider, since }: AuditQuery): boolean {
  return record.at >= since && (provider === undefined || nameOf(record.provider) === nameOf(provider))
}

function nameOf(text: string): string {
  const short = text.length > MAX_NAME ? text.slice(0, MAX_NAME) : text
  return short.includes('\n') ? short.replaceAll('\n', ' ') : short
}
