// Namespaces and their labels: which of them a selector means, and which of them the gateway serves.
import type { AllowedNamespaces, LabelSelector } from '../resources/namespaces.ts'
import { namespaceOf } from '../resources/resource.ts'
import { compareText } from '../snapshot/canonical.ts'
import type { Labels, World } from './world.ts'

/** The label that every namespace carries with its own name, in a cluster by the API server. */
const NAME_LABEL = 'kubernetes.io/metadata.name'

/** The namespaces of a world. */
export class Namespaces {
  readonly #labels: ReadonlyMap<string, Labels>
  readonly #complete: boolean

  constructor(world: Pick<World, 'namespaces' | 'resources'>) {
    this.#complete = world.namespaces !== undefined
    this.#labels = world.namespaces ?? occurring(world.resources)
  }

  /** Sorted. */
  names(): string[] {
    return [...this.#labels.keys()].sort(compareText)
  }

  /** False: the cluster has it, or had it, but its labels are not known here; nobody can say what selects it. */
  knows(namespace: string): boolean {
    return !this.#complete || this.#labels.has(namespace)
  }

  selects(selector: LabelSelector, namespace: string): boolean {
    const labels = { ...this.#labels.get(namespace), [NAME_LABEL]: namespace }
    return this.knows(namespace) && selects(selector, labels)
  }

  /** True when `allowed`, said by an object of `home`, lets objects of `namespace` in. Undefined lets in nobody else. */
  allows(allowed: AllowedNamespaces | undefined, home: string, namespace: string): boolean {
    if (namespace === home || allowed?.from === 'All') return true
    if (allowed?.from !== 'Selector' || allowed.selector === undefined) return false
    return this.selects(allowed.selector, namespace)
  }
}

/** True when all parts of the selector hold, as in Kubernetes; one without parts holds for nothing here. */
function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Labels): boolean {
  const equal = Object.entries(matchLabels)
  if (equal.length + matchExpressions.length === 0) return false
  return (
    equal.every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(expression => holds(expression, labels))
  )
}

type Expression = NonNullable<LabelSelector['matchExpressions']>[number]

function holds({ key, operator, values = [] }: Expression, labels: Labels): boolean {
  const value = labels[key]
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
  }
}

function occurring(resources: World['resources']): Map<string, Labels> {
  const found = new Map<string, Labels>()
  for (const resource of resources) {
    const named = resource.kind === 'AITenant' ? resource.spec.namespaces.names : [namespaceOf(resource) ?? '']
    for (const namespace of named) found.set(namespace, {})
  }
  return found
}
