// Policies of one tenant, each with what it has of its parents.
import { parseDuration } from '../resources/metadata.ts'
import type { Policy } from '../resources/policy.ts'
import type { PolicyItem } from '../snapshot/items.ts'
import { winnersOf } from './conflicts.ts'
import { Memo } from './memo.ts'
import { lineageOf } from './policy-lineage.ts'
import type { Scope } from './scope.ts'

/** What is kept of texts; forms that are not served yet keep nothing, rather than more than was meant. */
const AUDIT = { Keep: 'Keep', Drop: 'Drop', Hash: 'Drop', Redact: 'Drop' } as const

const items = new Memo<Policy, PolicyItem>()

/**
 * The tenant's policies. A policy's name is unique in its tenant, since reply headers and records name it so. One whose
 * parents are in doubt stays in force with what it says itself.
 */
export function compilePolicies(scope: Scope, policies: readonly Policy[]): PolicyItem[] {
  const claim = {
    keyOf: (policy: Policy) => policy.metadata.name,
    what: (policy: Policy) => `in tenant ${scope.tenant} the policy name ${policy.metadata.name}`,
  }
  const winners = winnersOf(policies, claim, scope.book)
  const known = new Map(winners.map(policy => [`${policy.metadata.namespace}/${policy.metadata.name}`, policy]))
  return winners.map(policy => {
    const lineage = lineageOf(policy, known, scope.book)
    const item = items.get(policy, lineage, () => itemOf(policy, lineage))
    scope.book.carried(policy, { tenant: scope.tenant, kind: 'Policy', name: item.name })
    return item
  })
}

/** `lineage`: the policy, its parent, that one's parent, and so on. What the nearer one says counts. */
function itemOf({ metadata, spec }: Policy, lineage: readonly Policy[]): PolicyItem {
  const audit = lineage.find(each => each.spec.audit !== undefined)?.spec.audit
  return {
    kind: 'Policy',
    name: metadata.name,
    scope: spec.scope,
    priority: spec.priority,
    cache: cacheOf(lineage.find(each => each.spec.cache !== undefined)?.spec.cache),
    audit: audit && { ...audit, content: AUDIT[audit.content] },
    guardrails: guardrailsOf(lineage),
    // These two have defaults, so that nobody can tell whether a policy says them: the first that differs counts.
    allowRewriteNative: lineage.some(each => each.spec.allowRewriteNative),
    holdBack: lineage.find(each => each.spec.holdBack !== DEFAULT_HOLD_BACK)?.spec.holdBack ?? DEFAULT_HOLD_BACK,
  }
}

/** The schema's default. */
const DEFAULT_HOLD_BACK = 4_096

function guardrailsOf(lineage: readonly Policy[]): PolicyItem['guardrails'] {
  const byName = new Map<string, PolicyItem['guardrails'][number]>()
  for (const { spec } of lineage) {
    for (const guardrail of spec.guardrails.flatMap(guardrailOf)) {
      if (!byName.has(guardrail.name)) byName.set(guardrail.name, guardrail)
    }
  }
  return [...byName.values()]
}

function cacheOf(cache: Policy['spec']['cache']): PolicyItem['cache'] {
  if (cache === undefined) return undefined
  const { enabled, scope, ttl, maxTemperaturePercent, toolCalls } = cache
  return { enabled, scope, ttl: Math.ceil(parseDuration(ttl) / 1_000), maxTemperaturePercent, toolCalls }
}

/** None for a type that is not served yet. An action that is not served yet blocks, the safest there is. */
function guardrailOf(guardrail: Policy['spec']['guardrails'][number]): PolicyItem['guardrails'] {
  const { name, type, direction, mode, action, onError, config } = guardrail
  if (type !== 'PII') return []
  const served = action === 'Review' ? 'Block' : action
  return [{ name, type, direction, mode, action: served, onError, entities: config.entities }]
}
