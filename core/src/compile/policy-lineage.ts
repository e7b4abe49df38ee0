// A policy's parents, as far as they can be followed.
import type { Policy } from '../resources/policy.ts'
import { describeResource } from '../resources/resource.ts'
import type { StatusBook } from './status.ts'

/** Most policies in a line, the first one included. */
const MAX_DEPTH = 5

/**
 * The policy, its parent, that one's parent, and so on. Policies of a ring stand alone and are told its members; a line
 * that is too long is cut off. `known`: policies of the tenant by `namespace/name`; a parent is of the same namespace.
 */
export function lineageOf(policy: Policy, known: ReadonlyMap<string, Policy>, book: StatusBook): Policy[] {
  const line = [policy]
  for (let at = policy; at.spec.parentRef !== undefined;) {
    const parent = parentOf(at, known)
    if (parent === undefined) {
      if (at === policy) book.unresolved(policy, 'RefNotFound', missingMessage(policy))
      break
    }
    const back = line.indexOf(parent)
    if (back === 0) {
      book.reject(policy, 'Conflicted', ringMessage(line))
      return [policy]
    }
    // A ring further up: its members are told, and give nothing on.
    if (back > 0) return line.slice(0, back)
    if (line.length === MAX_DEPTH) {
      const message = `spec.parentRef: more than ${MAX_DEPTH} policies in a line; those above ${nameOf(at)} are left out`
      book.reject(policy, 'UnsupportedValue', message)
      break
    }
    line.push(parent)
    at = parent
  }
  return line
}

function parentOf({ metadata, spec }: Policy, known: ReadonlyMap<string, Policy>): Policy | undefined {
  return known.get(`${metadata.namespace}/${spec.parentRef?.name}`)
}

function missingMessage({ metadata, spec }: Policy): string {
  const name = `${metadata.namespace}/${spec.parentRef?.name}`
  return `spec.parentRef: Policy ${name} is not there or not served; only what this policy says itself is in force`
}

/** Names the ring from its first name on, so that all its members tell the same. */
function ringMessage(line: readonly Policy[]): string {
  const names = line.map(nameOf)
  const first = names.indexOf([...names].sort()[0] ?? '')
  const ring = [...names.slice(first), ...names.slice(0, first)]
  const text = [...ring, ring[0]].join(' → ')
  return `spec.parentRef: the parents go in a ring (${text}); take one reference out. Until then each stands alone`
}

function nameOf(policy: Policy): string {
  return describeResource(policy)
}
