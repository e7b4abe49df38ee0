// The audit log in this process, for tests: everything is found by looking at everything.
import type { AuditContent, AuditEntry, AuditHealth, AuditLog, AuditQuery, AuditRecord } from '../../ports/audit-log.ts'
import { readRecord, recordText } from '../audit-text.ts'

/** Most records of callers that were never identified. */
const MAX_STRANGERS = 1000
const MAX_RECORDS = 100_000
const MAX_LIMIT = 1000

/** See the file's head. */
export class MemoryAuditLog implements AuditLog {
  readonly #tenants = new Map<string, AuditEntry[]>()

  append(fold: () => AuditRecord, content: AuditContent | undefined): void {
    const record = fold()
    const entries = this.#tenants.get(record.tenant) ?? []
    this.#tenants.set(record.tenant, entries)
    if (entries.some(entry => entry.record.id === record.id)) return
    const kept = readRecord(recordText(record)) ?? record
    entries.push({ record: kept, content: content && textOf(content) })
    if (entries.length > (record.tenant === '' ? MAX_STRANGERS : MAX_RECORDS)) entries.shift()
  }

  fold(): void {}

  async list(query: AuditQuery): Promise<readonly AuditEntry[]> {
    const entries = (this.#tenants.get(query.tenant) ?? []).filter(({ record }) => matches(record, query))
    return entries.toReversed().slice(query.offset, query.offset + Math.min(query.limit, MAX_LIMIT))
  }

  async get(tenant: string, id: string): Promise<AuditEntry | undefined> {
    return this.#tenants.get(tenant)?.find(({ record }) => record.id === id)
  }

  health(): AuditHealth {
    return { up: true, spooled: 0, lost: 0, strangersLost: 0, uncovered: 0 }
  }

  async drain(): Promise<void> {}
}

function textOf({ request, response }: AuditContent): { request: string; response: string } {
  return { request: request.toString('utf8'), response: response.toString('utf8') }
}

/** A record that no provider answered is found by neither provider nor model. */
function matches(record: AuditRecord, { provider, model, since }: AuditQuery): boolean {
  const filtered = provider !== undefined || model !== undefined
  if (record.at < since || (filtered && record.provider === '')) return false
  const providerFits = provider === undefined || record.provider === provider
  return providerFits && (model === undefined || record.model === model || record.requestedModel === model)
}
