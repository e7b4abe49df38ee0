// One operator: it watches all the time, stands for election, and acts while it leads.
import type { KubeClient } from './api/client.ts'
import { Events } from './apply/events.ts'
import { ensureGatewayKeys } from './apply/gateway-keys.ts'
import { LeaderElection } from './apply/lease.ts'
import { Writer } from './apply/writer.ts'
import type { Settings } from './settings.ts'
import type { OperatorMetrics } from './telemetry/metrics.ts'
import { type Log, Term } from './term.ts'
import { Observed } from './watch/observed.ts'

/** Between two lines about lost events: a busy minute loses thousands, and each is counted. */
const TELL_LOST_MS = 10_000
/** After a failure of what a term begins with. */
const RETRY_MS = 2_000

/** What an operator is made from. */
export interface OperatorOptions {
  readonly client: KubeClient
  readonly settings: Settings
  readonly metrics: OperatorMetrics
  /** Unique to this process. */
  readonly identity: string
  readonly log: Log
  /** It leads no more without having been stopped: the process has to end. */
  readonly onLost: (why: string) => void
}

/** See the file's head. */
export class Operator {
  readonly #options: OperatorOptions
  readonly #observed: Observed
  readonly #events: Events
  readonly #writer: Writer
  readonly #election: LeaderElection
  readonly #stopped = new AbortController()
  #term: Term | undefined
  #synced = false
  #tellLostAt = 0

  constructor(options: OperatorOptions) {
    const { client, settings, metrics, identity, log } = options
    const { namespace, gateway } = settings
    this.#options = options
    this.#observed = new Observed({
      client,
      namespace,
      listener: {
        ours: (id, change) => this.#term?.changed(id, change),
        around: (what, id) => this.#term?.changedAround(what, id),
      },
      failing: (plural, problem) => {
        metrics.watchFailing(plural, problem !== undefined)
        if (problem !== undefined) log('warn', `the watch of ${plural} fails: ${problem}`)
      },
    })
    this.#events = new Events({
      client,
      instance: identity,
      onProblem: problem => {
        metrics.eventLost()
        if (performance.now() < this.#tellLostAt) return
        this.#tellLostAt = performance.now() + TELL_LOST_MS
        log('warn', problem)
      },
    })
    this.#writer = new Writer(client, object => this.#observed.learn(object))
    const name = `${gateway}-operator`
    this.#election = new LeaderElection({
      client,
      namespace,
      name,
      identity,
      onProblem: problem => log('warn', problem),
    })
  }

  /** What keeps it from working just now, for the readiness probe. */
  unready(): readonly string[] {
    return this.#synced ? [] : ['the API server has not given every list yet']
  }

  /** Begins to watch, and then to stand for election. Resolves when every list is there. */
  async start(): Promise<void> {
    await this.#observed.start()
    this.#synced = true
    const { metrics, log, onLost, settings } = this.#options
    if (!settings.leaderElection) return void this.#lead(this.#stopped.signal)
    void this.#election.run({
      onStarted: signal => {
        log('info', 'this operator leads')
        metrics.leading(true)
        void this.#lead(signal)
      },
      onLost: why => {
        metrics.leading(false)
        onLost(why)
      },
    })
  }

  /** In order: nothing new begins, what was begun ends, then the lease goes to the next. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#term?.end()
    await this.#events.stop()
    await this.#election.stop()
    await this.#observed.stop()
  }

  /** A term begins with the gateway's keys: without them nothing can be sealed or signed. */
  async #lead(signal: AbortSignal): Promise<void> {
    const { client, settings, metrics, identity, log, onLost } = this.#options
    const ends = AbortSignal.any([signal, this.#stopped.signal])
    const [observed, writer, events] = [this.#observed, this.#writer, this.#events]
    while (!ends.aborted) {
      try {
        const keys = await ensureGatewayKeys(writer, settings.namespace, settings.gateway)
        if (ends.aborted) return
        const parts = { client, settings, metrics, identity, log, observed, writer, events, keys, fenced: onLost }
        this.#term = new Term(parts)
        this.#term.begin()
        return
      } catch (error) {
        log('error', "the gateway's keys cannot be read or made; trying again", { error })
        await new Promise(resolve => setTimeout(resolve, RETRY_MS))
      }
    }
  }
}
