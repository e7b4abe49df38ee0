// Which statuses are written and what that rests on, so that a look at thousands of objects costs little when nothing of
// them changed. A status that is forgotten here is only computed again.
import { compareVersions } from '@smartflow/core/snapshot/follow'
import type { KubeObject } from '../api/resource-type.ts'
import { type Programmed, type ProgrammedInput, programmedOf } from '../desired/programmed.ts'
import type { ConfigPlace } from '../desired/status.ts'

/** What a status was made from, beside the object itself, the pods and the time. */
export interface Basis {
  /** Compared by identity, one by one. */
  readonly parts: readonly unknown[]
  readonly digest: ProgrammedInput['digest']
}

/** What holds for every object at one look. */
export type Ground = Omit<ProgrammedInput, 'digest' | 'config'>

interface Written {
  readonly basis: Basis
  /** Where the basis was looked up last, by identity. */
  sources: object
  /** Of what the pods make of it, in `#judged`. */
  readonly name: string
  readonly config: ConfigPlace | undefined
  /** Milliseconds since the epoch; from then on it is to be computed again. */
  readonly until: number
  readonly programmed: Programmed
}

/** Remembers them by the objects as the cache has them: a newer version of an object is another one. */
export class WrittenStatuses {
  readonly #written = new WeakMap<KubeObject, Written>()
  #ground: Ground | undefined
  #sources: { readonly parts: readonly unknown[] } = { parts: [] }
  /** Objects that came with one configuration share what the pods make of it. */
  #judged = new Map<string, Programmed>()

  /** Begins a look. `sources`: what every basis is looked up in, compared by identity, one by one. */
  look(ground: Ground, sources: readonly unknown[]): void {
    if (!sameParts(this.#sources.parts, sources)) this.#sources = { parts: sources }
    this.#ground = ground
    this.#judged = new Map()
  }

  /** Whether it would for certain, known without its basis. False says nothing. */
  holdsStill(live: KubeObject): boolean {
    const known = this.#written.get(live)
    return known !== undefined && known.sources === this.#sources && this.#isSaidStill(known)
  }

  /** Whether the object's status would come out as it is written. */
  holds(live: KubeObject, basis: Basis): boolean {
    const known = this.#written.get(live)
    if (known === undefined) return false
    if (!sameParts(known.basis.parts, basis.parts) || !sameDigest(known.basis.digest, basis.digest)) return false
    known.sources = this.#sources
    return this.#isSaidStill(known)
  }

  #isSaidStill({ basis, name, config, programmed, until }: Written): boolean {
    const ground = this.#ground
    if (ground === undefined || until <= ground.now) return false
    // The store fell back behind what is written: the status names another version then.
    if (config !== undefined && ground.version !== undefined && compareVersions(config, ground.version) > 0)
      return false
    const now = this.#judge(name, { digest: basis.digest, config, ground })
    return now.status === programmed.status && now.reason === programmed.reason && now.message === programmed.message
  }

  /** Takes notice that the object's status is written; `config` is what it says. */
  keep(live: KubeObject, basis: Basis, { config, until }: Pick<Written, 'config' | 'until'>): void {
    if (this.#ground === undefined) return
    const { digest } = basis
    const { wanted, inForce } = digest
    const name = [wanted === undefined, wanted === inForce, config?.epoch, config?.generation].join(' ')
    const programmed = this.#judge(name, { digest, config, ground: this.#ground })
    this.#written.set(live, { basis, sources: this.#sources, name, config, until, programmed })
  }

  #judge(
    name: string,
    { digest, config, ground }: Pick<Basis, 'digest'> & { config: ConfigPlace | undefined; ground: Ground },
  ): Programmed {
    const known = this.#judged.get(name)
    if (known !== undefined) return known
    const judged = programmedOf({ ...ground, digest, config })
    this.#judged.set(name, judged)
    return judged
  }
}

function sameParts(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((part, at) => Object.is(part, b[at]))
}

function sameDigest(a: Basis['digest'], b: Basis['digest']): boolean {
  return a.wanted === b.wanted && a.inForce === b.inForce
}
