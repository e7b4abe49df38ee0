// From what was observed to what is in force: changes → compile → publish → a plan that the reconcilers read. One turn at
// a time; changes that come meanwhile cause one more.
import { compile } from '@smartflow/core/compile/compile'
import type { Status } from '@smartflow/core/compile/status'
import type { AIGateway } from '@smartflow/core/resources/ai-gateway'
import type { Resource } from '@smartflow/core/resources/resource'
import type { Compiled, Item } from '@smartflow/core/snapshot/items'
import type { Keyring } from '@smartflow/core/snapshot/keyring'
import type { PublicationOutcome } from '../apply/publication.ts'
import { objectId } from '../watch/object-id.ts'
import type { Observed } from '../watch/observed.ts'
import { problemText } from '../watch/parsed.ts'
import type { SecretReader } from '../watch/secrets.ts'
import { servable } from './last-resort.ts'
import { wantedSecrets } from './wanted-secrets.ts'

/** A turn begins this long after a change, so that a `kubectl apply` of many objects is one turn, … */
const QUIET_MS = 50
/** … and at the latest this long after the first. */
const LATEST_MS = 250
/** After a turn that could not be finished. */
const RETRY_MS = 1_000
/** Without any change: the store may have lost or rolled back what it had. */
const LOOK_AGAIN_MS = 5_000

/** The result of one turn. Replaced whole, never changed. */
export interface Plan {
  /** What compiling said of each object, by id. */
  readonly statuses: ReadonlyMap<string, Status>
  /** Objects that do not pass their schema, by id, and why. Their last good form serves on. */
  readonly invalid: ReadonlyMap<string, string>
  /** What was compiled: every object in the form that serves. */
  readonly resources: ReadonlyMap<string, Resource>
  /** Objects that are being deleted, by id; those of most kinds are left out of what was compiled. */
  readonly deleting: ReadonlySet<string>
  /** By accepted AITenant: those of its host names that may be exposed. */
  readonly hosts: ReadonlyMap<string, readonly string[]>
  /** Everything that was compiled, by `<tenant> <kind> <name>`. */
  readonly items: ReadonlyMap<string, Item>
  readonly outcome: PublicationOutcome
}

/** What a loop works with. */
export interface LoopOptions {
  readonly observed: Observed
  readonly secrets: SecretReader
  readonly keyring: Keyring
  /** Publishes to the store that the gateway in force names. */
  readonly publish: (compiled: Compiled, gateway: AIGateway | undefined) => Promise<PublicationOutcome>
  /** The operator's own namespace. */
  readonly namespace: string
  /** A new plan is there. */
  readonly planned: (plan: Plan) => void
  /** Another operator has taken over: this one must end. */
  readonly fenced: (message: string) => void
  readonly failed: (message: string, error?: unknown) => void
  readonly now: () => number
}

/** The loop. Runs only while its process leads. */
export class Loop {
  readonly #options: LoopOptions
  #plan: Plan | undefined
  #firstChange: number | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #stopped = true

  constructor(options: LoopOptions) {
    this.#options = options
  }

  /** The newest plan; undefined before the first turn. */
  plan(): Plan | undefined {
    return this.#plan
  }

  start(): void {
    this.#stopped = false
    this.touch()
  }

  /** Ends after the turn that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  /** Something changed. */
  touch(): void {
    if (this.#stopped) return
    const now = this.#options.now()
    this.#firstChange ??= now
    if (this.#running !== undefined) return
    this.#schedule(Math.max(0, Math.min(QUIET_MS, this.#firstChange + LATEST_MS - now)))
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#run(), ms)
  }

  #run(): void {
    if (this.#running !== undefined || this.#stopped) return
    this.#firstChange = undefined
    let again = LOOK_AGAIN_MS
    this.#running = this.#turn()
      .then(finished => {
        if (!finished) again = RETRY_MS
      })
      .catch((error: unknown) => {
        again = RETRY_MS
        this.#options.failed('a turn of the loop failed; it is tried again', error)
      })
      .finally(() => {
        this.#running = undefined
        if (this.#stopped) return
        if (this.#firstChange === undefined) this.#schedule(again)
        else this.#schedule(QUIET_MS)
      })
  }

  /** False: it could not be finished, and nothing that is in force was touched. */
  async #turn(): Promise<boolean> {
    const { observed, secrets, failed, planned, fenced } = this.#options
    const blind = observed.failing()
    if (blind.length > 0) {
      // A list that failed is not an empty list: what is published stays until everything can be seen again.
      failed(`nothing is published while the API server does not answer for: ${blind.join(', ')}`)
      return false
    }
    const { resources, invalid, deleting } = this.#look()
    secrets.want(wantedSecrets(resources.values(), this.#options.namespace))
    const waiting = secrets.waiting()
    if (waiting.length > 0) return false
    const { compiled, statuses, hosts } = compile(this.#world([...resources.values()]))
    const gateway = gatewayIn(statuses, resources)
    let outcome = await this.#options.publish(compiled, gateway)
    if (outcome.outcome === 'held') {
      failed(outcome.message)
      // The same once more goes through, if a fresh list says so too.
      if (await observed.confirm()) outcome = await this.#options.publish(compiled, gateway)
    }
    if (outcome.outcome === 'stale') {
      fenced(outcome.message)
      return false
    }
    this.#plan = {
      statuses: new Map(statuses.map(status => [objectId(status.kind, status.namespace, status.name), status])),
      invalid,
      resources,
      deleting,
      hosts,
      items: itemsOf(compiled),
      outcome,
    }
    planned(this.#plan)
    return outcome.outcome !== 'unavailable' && outcome.outcome !== 'held'
  }

  #world(resources: readonly Resource[]) {
    const { observed, secrets, keyring, namespace } = this.#options
    return {
      resources,
      secrets: secrets.values(),
      namespaces: observed.namespaces(),
      gatewayNamespace: namespace,
      environment: undefined,
      standalone: false,
      keyring,
    }
  }

  #look(): Pick<Plan, 'resources' | 'invalid' | 'deleting'> {
    const deleting = new Set<string>()
    const resources = new Map<string, Resource>()
    const invalid = new Map<string, string>()
    for (const { id, live, resource, problems } of this.#options.observed.all()) {
      if (problems.length > 0) invalid.set(id, problemText(problems))
      if (live.metadata.deletionTimestamp !== undefined) deleting.add(id)
      const serves = resource ?? servable(live)
      if (serves !== undefined) resources.set(id, serves)
    }
    return { resources, invalid, deleting }
  }
}

function itemsOf({ tenants }: Compiled): Map<string, Item> {
  const items = new Map<string, Item>()
  for (const [tenant, list] of tenants) for (const item of list) items.set(`${tenant} ${item.kind} ${item.name}`, item)
  return items
}

/** The AIGateway that compiling accepted. */
function gatewayIn(statuses: readonly Status[], resources: ReadonlyMap<string, Resource>): AIGateway | undefined {
  const accepted = statuses.find(
    ({ kind, conditions }) =>
      kind === 'AIGateway' && conditions.some(({ type, status }) => type === 'Accepted' && status === 'True'),
  )
  const resource = accepted && resources.get(objectId('AIGateway', accepted.namespace, accepted.name))
  return resource?.kind === 'AIGateway' ? resource : undefined
}
