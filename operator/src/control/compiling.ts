// Compiles what was observed, and gives the very same result again for the same input: most looks at the store follow no
// change at all.
import { compile } from '@smartflow/core/compile/compile'
import { placeName, type Status } from '@smartflow/core/compile/status'
import type { World } from '@smartflow/core/compile/world'
import type { AIGateway } from '@smartflow/core/resources/ai-gateway'
import type { Resource } from '@smartflow/core/resources/resource'
import type { Compiled, Item } from '@smartflow/core/snapshot/items'
import { objectId } from '../watch/object-id.ts'

/** What came of a compile, with what is looked up in it. */
export interface CompiledWorld {
  readonly compiled: Compiled
  /** By id. */
  readonly statuses: ReadonlyMap<string, Status>
  readonly hosts: ReadonlyMap<string, readonly string[]>
  /** By `placeName`. */
  readonly items: ReadonlyMap<string, Item>
  /** The AIGateway that was accepted. */
  readonly gateway: AIGateway | undefined
}

/** What a compile depends on; everything else of a world is the operator's own. */
type Given = Pick<World, 'secrets' | 'namespaces'> & {
  readonly resources: ReadonlyMap<string, Resource>
  /** Asked for when there is something to compile: what was compiled last, which says it, is of the same input else. */
  readonly heldTokens: () => ReadonlyMap<string, string>
}

/** Remembers the last result. */
export class Compiling {
  readonly #own: Pick<World, 'keyring' | 'gatewayNamespace'>
  #last: { readonly given: Given; readonly result: CompiledWorld } | undefined

  constructor(own: Pick<World, 'keyring' | 'gatewayNamespace'>) {
    this.#own = own
  }

  /** Resources, Secret values and labels are compared by identity: an unchanged one keeps its own. */
  compile(given: Given): CompiledWorld {
    if (this.#last !== undefined && isSame(this.#last.given, given)) return this.#last.result
    const { secrets, namespaces, resources, heldTokens } = given
    const found = { secrets, namespaces, heldTokens: heldTokens() }
    const world = { ...this.#own, environment: undefined, standalone: false, ...found }
    const { compiled, statuses, hosts } = compile({ ...world, resources: [...resources.values()] })
    const result = {
      compiled,
      statuses: new Map(statuses.map(status => [objectId(status.kind, status.namespace, status.name), status])),
      hosts,
      items: itemsOf(compiled),
      gateway: gatewayIn(statuses, resources),
    }
    this.#last = { given, result }
    return result
  }
}

function isSame(a: Given, b: Given): boolean {
  return a.secrets === b.secrets && sameMembers(a.namespaces, b.namespaces) && sameMembers(a.resources, b.resources)
}

function sameMembers<V>(a: ReadonlyMap<string, V> | undefined, b: ReadonlyMap<string, V> | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined || a.size !== b.size) return false
  for (const [name, value] of a) if (b.get(name) !== value) return false
  return true
}

function itemsOf({ tenants }: Compiled): Map<string, Item> {
  const items = new Map<string, Item>()
  for (const [tenant, list] of tenants) for (const item of list) items.set(placeName({ tenant, ...item }), item)
  return items
}

function gatewayIn(statuses: readonly Status[], resources: ReadonlyMap<string, Resource>): AIGateway | undefined {
  const accepted = statuses.find(
    ({ kind, conditions }) =>
      kind === 'AIGateway' && conditions.some(({ type, status }) => type === 'Accepted' && status === 'True'),
  )
  const resource = accepted && resources.get(objectId('AIGateway', accepted.namespace, accepted.name))
  return resource?.kind === 'AIGateway' ? resource : undefined
}
