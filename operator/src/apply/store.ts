// The configuration store in use: the one that the AIGateway names. Another address opens another connection; what was
// published before is remembered, so that pods that know both are never sent back.
import { configKeys } from '@smartflow/core/snapshot/keys'
import { compareVersions } from '@smartflow/core/snapshot/follow'
import type { Compiled } from '@smartflow/core/snapshot/items'
import { Acks } from './acks.ts'
import type { GatewayKeys } from './gateway-keys.ts'
import { type KeyBudget, readSpent, type Spent } from './ledger-reader.ts'
import { Publication, type PublicationOutcome } from './publication.ts'
import { StoreConnection } from './redis.ts'
import { StoreUsers, type WantedUsers } from './store-users.ts'

/** An epoch and a generation in it. */
interface Place {
  readonly epoch: number
  readonly generation: number
}

/** What a store works with. */
export interface StoreOptions {
  readonly gateway: string
  readonly keys: GatewayKeys
  /** Of this process, for the server's list of clients. */
  readonly name: string
  readonly now: () => number
  /** A pod said something. */
  readonly heard: () => void
  /** The store in use came or went. */
  readonly changed: (up: boolean) => void
  readonly failed: (message: string, error: unknown) => void
}

interface Open {
  readonly url: string
  readonly connection: StoreConnection
  readonly publication: Publication
  readonly acks: Acks
  readonly users: StoreUsers
}

/** How long a fresh connection may take before the first publication counts as failed. */
const CONNECT_MS = 1_000

/** See the file's head. */
export class Store {
  readonly #options: StoreOptions
  #open: Open | undefined
  #newest: Place | undefined

  constructor(options: StoreOptions) {
    this.#options = options
  }

  /** Uses the server at this address (a secret); undefined: none is known. `remembered`: what was published earlier. */
  use(url: string | undefined, remembered: Place | undefined): void {
    if (url === this.#open?.url) return
    this.#open?.connection.close()
    this.#open = url === undefined ? undefined : this.#connect(url, newer(remembered, this.#newest))
  }

  async publish(compiled: Compiled): Promise<PublicationOutcome> {
    if (this.#open === undefined) return NOWHERE
    const { connection, publication } = this.#open
    await connection.whenUp(CONNECT_MS)
    const outcome = await publication.publish(compiled)
    this.#newest = newer(this.#newest, outcome.version)
    return outcome
  }

  /** The pods' acknowledgements; undefined while no address is known. */
  acks(): Acks | undefined {
    return this.#open?.acks
  }

  /** What keys have spent, in the order asked for. Rejects while the store cannot be asked. */
  async spent(budgets: readonly KeyBudget[]): Promise<readonly Spent[]> {
    if (this.#open === undefined) throw new Error(NOWHERE.message)
    return readSpent(this.#open.connection, budgets, this.#options.now())
  }

  publication(): Publication | undefined {
    return this.#open?.publication
  }

  /** The server's address with our own password: a secret; undefined while none is known. */
  url(): string | undefined {
    return this.#open?.url
  }

  /** Keeps the users of tenants' sidecars. Rejects with what the server says, or with StoreAway. */
  async keepUsers(wanted: WantedUsers): Promise<void> {
    await this.#open?.users.keep(wanted)
  }

  up(): boolean {
    return this.#open?.connection.up() ?? false
  }

  close(): void {
    this.#open?.connection.close()
    this.#open = undefined
  }

  #connect(url: string, remembered: Place | undefined): Open {
    const { gateway, keys, name, now, heard, changed, failed } = this.#options
    const connection = new StoreConnection({ url, name })
    const users = new StoreUsers({ redis: connection, gateway })
    connection.onChange(up => {
      users.forget()
      // The end of a connection that was replaced says nothing of the one in use.
      if (this.#open === undefined || this.#open.connection === connection) changed(up)
    })
    connection.subscribe(configKeys.ackNotify(gateway), heard)
    const { signer, verifier } = keys
    const publication = new Publication({ redis: connection, gateway, signer, verifier, remembered, now, failed })
    return { url, connection, publication, acks: new Acks({ redis: connection, gateway, now }), users }
  }
}

const NOWHERE = {
  outcome: 'unavailable',
  message:
    'no address of the configuration store is known: name a Secret in spec.configStore.redis.secretRef of the AIGateway ' +
    'whose value begins with redis:// or rediss://, or set REDIS_URL for the operator',
  wanted: new Map(),
  inForce: new Map(),
  version: undefined,
  upToDate: false,
  since: 0,
  evictionProblem: undefined,
} as const satisfies PublicationOutcome

function newer(a: Place | undefined, b: Place | undefined): Place | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return compareVersions(a, b) < 0 ? b : a
}
