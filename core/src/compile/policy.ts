// Policies of one tenant.
import { parseDuration } from '../resources/metadata.ts'
import type { Policy } from '../resources/policy.ts'
import type { PolicyItem } from '../snapshot/items.ts'
import { winnersOf } from './conflicts.ts'
import type { Scope } from './scope.ts'

/** The tenant's policies. A policy's name is unique in its tenant, since reply headers and records name it so. */
export function compilePolicies(scope: Scope, policies: readonly Policy[]): PolicyItem[] {
  const claim = {
    keyOf: (policy: Policy) => policy.metadata.name,
    what: (policy: Policy) => `in tenant ${scope.tenant} the policy name ${policy.metadata.name}`,
  }
  return winnersOf(policies, claim, scope.book).map(({ metadata, spec }) => ({
    kind: 'Policy',
    name: metadata.name,
    scope: spec.scope,
    priority: spec.priority,
    cache:
      spec.cache === undefined ? undefined : { ...spec.cache, ttl: Math.ceil(parseDuration(spec.cache.ttl) / 1_000) },
    audit: spec.audit,
    guardrails: spec.guardrails.map(({ config, ...guardrail }) => ({ ...guardrail, entities: config.entities })),
    allowRewriteNative: spec.allowRewriteNative,
    holdBack: spec.holdBack,
  }))
}
