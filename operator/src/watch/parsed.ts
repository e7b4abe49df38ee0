// What the API server gives, checked by the same schemas as a folder's files. An object that does not pass keeps its last
// good form in force, and is told what is wrong.
import type { Problem } from '@smartflow/core/resources/problem'
import { parseResource, type Resource } from '@smartflow/core/resources/resource'
import type { KubeObject } from '../api/resource-type.ts'
import { idOf } from './object-id.ts'

/** One object of ours: what serves (`resource`), and what is wrong with what it says now. */
export interface Parsed {
  /** Names the object among all kinds. */
  readonly id: string
  readonly live: KubeObject
  /** The object itself, or its last good form while `problems` is not empty; undefined when it never had one. */
  readonly resource: Resource | undefined
  readonly problems: readonly Problem[]
}

const HOLDS_TO_THE_END: ReadonlySet<string> = new Set(['AITenant', 'AIGateway'])

/** Parses each version of an object once; the same version gives the same Resource, by identity. */
export class ParsedObjects {
  readonly #known = new Map<string, Parsed>()
  /** The same by the objects as they came: thousands of ids need not be put together to look at everything. */
  readonly #byObject = new WeakMap<KubeObject, Parsed>()

  /** What came of an object of the cache. */
  of(live: KubeObject): Parsed {
    return this.#byObject.get(live) ?? this.parse(idOf(live), live)
  }

  /** `id` names the object among all kinds. */
  parse(id: string, live: KubeObject): Parsed {
    const known = this.#known.get(id)
    if (known !== undefined && known.live.metadata.uid === live.metadata.uid) {
      if (known.live.metadata.resourceVersion === live.metadata.resourceVersion) return this.#keep(live, known)
      if (sameForUs(known.live, live)) return this.#keep(live, { ...known, live })
    }
    const parsed = parseResource(withoutServerNoise(live))
    if (!Array.isArray(parsed)) return this.#keep(live, { id, live, resource: parsed, problems: [] })
    // What is being deleted serves no longer, whatever it was; a tenant's hold on its namespaces lasts to the end.
    const ends = live.metadata.deletionTimestamp !== undefined && !HOLDS_TO_THE_END.has(live.kind)
    const lastGood = known?.live.metadata.uid === live.metadata.uid && !ends ? known.resource : undefined
    return this.#keep(live, { id, live, resource: lastGood, problems: parsed })
  }

  /** What was parsed last; undefined for an object nobody asked for so far. */
  known(id: string): Parsed | undefined {
    return this.#known.get(id)
  }

  forget(id: string): void {
    this.#known.delete(id)
  }

  #keep(live: KubeObject, parsed: Parsed): Parsed {
    this.#known.set(parsed.id, parsed)
    this.#byObject.set(live, parsed)
    return parsed
  }
}

/** Only the status moved: nothing that is compiled from. */
function sameForUs(a: KubeObject, b: KubeObject): boolean {
  return (
    a.metadata.generation !== undefined &&
    a.metadata.generation === b.metadata.generation &&
    a.metadata.deletionTimestamp === b.metadata.deletionTimestamp
  )
}

function withoutServerNoise({ status: _status, ...live }: KubeObject): object {
  return live
}

/** What is wrong, on one line for a condition; each message begins with its field. */
export function problemText(problems: readonly Problem[]): string {
  return problems.map(problem => problem.message).join('; ')
}
