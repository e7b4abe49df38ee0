// The key of an answer: everything that could change it. Only an equal call of the same scope has the same key (C09).
import { hash } from 'node:crypto'
import { rawMember } from '../../exchange/json.ts'
import type { Identified } from '../../exchange/stage.ts'

/** Members that change how an answer is sent, not what it says. */
const FORM_ONLY = new Set(['stream', 'stream_options', 'model'])

/**
 * SHA-256 (hex) over tenant, scope, namespace, policy version, dialect, model and every other member of the body as it
 * was written. Stream or not is left out: a hit is served in the caller's form. The namespace is the caller's word and
 * only ever narrows, since the tenant and the scope are hashed beside it.
 */
export function exactKey(exchange: Identified, scope: 'Tenant' | 'Team' | 'User'): string {
  const { presented, call } = exchange
  const { tenant, key } = presented
  const parts = [
    'exact/v1',
    tenant.item.name,
    ownerOf(scope, key.team, key.user ?? call.userId, key.name),
    call.cacheControl.namespace,
    tenant.policyVersion,
    call.dialect.name,
    call.model,
  ]
  for (const name of [...call.body.members.keys()].sort()) {
    if (!FORM_ONLY.has(name)) parts.push(name, rawMember(call.body, name) ?? '')
  }
  return hash('sha256', JSON.stringify(parts), 'hex')
}

/** Whoever may share the entry. Without a team or user the narrower owner, the key, stands in. */
function ownerOf(
  scope: 'Tenant' | 'Team' | 'User',
  team: string | undefined,
  user: string | undefined,
  key: string,
): string {
  if (scope === 'Tenant') return 'tenant'
  const owner = scope === 'Team' ? team : user
  return owner === undefined ? `key:${key}` : `${scope}:${owner}`
}
