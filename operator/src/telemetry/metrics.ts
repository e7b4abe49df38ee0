// Prometheus metrics of the operator. What every operator has goes by the names of controller-runtime and client-go, so
// that dashboards made for those work; ours begin with smartflow_. No label ever holds the name of an object.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** What became of one reconciliation: `terminal` needs a change of the object, `panic` is a bug. */
export type ReconcileResult = 'success' | 'requeue_after' | 'error' | 'terminal' | 'timeout' | 'panic'

/** How far the data planes are. */
export type PodState = 'current' | 'stale' | 'rejected' | 'missing'

export interface Publication {
  readonly result: 'published' | 'unchanged' | 'fenced' | 'failed'
  readonly seconds: number
  /** What holds now, where something was published. */
  readonly generation?: number
  readonly bytes?: number
  readonly objects?: Readonly<Record<string, number>>
}

export interface ConditionCount {
  readonly kind: string
  readonly type: string
  readonly status: string
  readonly count: number
}

const RECONCILE_SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60]
const QUEUE_SECONDS = [0.001, 0.01, 0.1, 1, 10, 60, 300, 1_000]
const PUBLISH_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const PROPAGATION_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/** Between two looks at the delay of the event loop: a hundred a second are most of what an operator at rest costs. */
const LAG_RESOLUTION_MS = 100

/** The registry of this process. */
export class OperatorMetrics {
  readonly #registry = new Registry()
  readonly #gateway: string
  readonly #leaseName: string

  readonly #reconciles = this.#counter('controller_runtime_reconcile_total', 'Reconciliations', [
    'controller',
    'result',
  ])
  readonly #errors = this.#counter('controller_runtime_reconcile_errors_total', 'Those that failed', ['controller'])
  readonly #terminal = this.#counter(
    'controller_runtime_terminal_reconcile_errors_total',
    'Those that failed until the object changes',
    ['controller'],
  )
  readonly #panics = this.#counter('controller_runtime_reconcile_panics_total', 'Those that met a bug', ['controller'])
  readonly #timeouts = this.#counter('controller_runtime_reconcile_timeouts_total', 'Those that took too long', [
    'controller',
  ])
  readonly #reconcileTime = this.#histogram(
    'controller_runtime_reconcile_time_seconds',
    'Time of a reconciliation',
    RECONCILE_SECONDS,
    ['controller'],
  )
  readonly #workers = this.#gauge('controller_runtime_max_concurrent_reconciles', 'Workers', ['controller'])
  readonly #active = this.#gauge('controller_runtime_active_workers', 'Workers at work', ['controller'])

  readonly #depth = this.#gauge('workqueue_depth', 'Keys that wait', ['name', 'controller'])
  readonly #adds = this.#counter('workqueue_adds_total', 'Keys that were added', ['name', 'controller'])
  readonly #retries = this.#counter('workqueue_retries_total', 'Keys that come back after a failure', [
    'name',
    'controller',
  ])
  readonly #waited = this.#histogram('workqueue_queue_duration_seconds', 'Time a key waited', QUEUE_SECONDS, [
    'name',
    'controller',
  ])
  readonly #worked = this.#histogram('workqueue_work_duration_seconds', 'Time a key was worked on', QUEUE_SECONDS, [
    'name',
    'controller',
  ])

  readonly #leads = this.#gauge('leader_election_master_status', '1 when this process leads', ['name'])
  readonly #requests = this.#counter('rest_client_requests_total', 'Calls to the API server', ['code', 'method'])

  readonly #generation = this.#gauge('smartflow_config_generation', 'Generation that was published last', ['gateway'])
  readonly #published = this.#counter('smartflow_config_published_total', 'Publications', ['result'])
  readonly #publishTime = this.#histogram('smartflow_config_publish_seconds', 'Time of a publication', PUBLISH_SECONDS)
  readonly #objects = this.#gauge('smartflow_config_objects', 'Objects in the configuration', ['kind'])
  readonly #bytes = this.#gauge('smartflow_config_bytes', 'Size of the configuration')
  readonly #pods = this.#gauge('smartflow_dataplane_pods', 'Data planes by what they serve', ['state'])
  readonly #propagation = this.#histogram(
    'smartflow_config_propagation_seconds',
    'From publishing to the last data plane that serves it',
    PROPAGATION_SECONDS,
  )
  readonly #storeUp = this.#gauge('smartflow_store_up', '1 when the configuration store answers')
  readonly #conditions = this.#gauge('smartflow_resource_condition', 'Objects by condition', ['kind', 'type', 'status'])
  readonly #blocked = this.#gauge('smartflow_deletion_blocked', 'Objects that wait to be deleted', ['kind'])
  readonly #eventsLost = this.#counter('smartflow_events_lost_total', 'Kubernetes events that were not written')
  readonly #watchFailing = this.#gauge('smartflow_watch_failing', '1 when objects may be out of date', ['resource'])

  constructor({ gateway, leaseName, version }: { gateway: string; leaseName: string; version: string }) {
    this.#gateway = gateway
    this.#leaseName = leaseName
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LAG_RESOLUTION_MS })
    this.#gauge('smartflow_build_info', 'Version of this process', ['version']).set({ version }, 1)
    this.leading(false)
  }

  /** How many workers a controller has. */
  workers(controller: string, count: number): void {
    this.#workers.set({ controller }, count)
    this.#active.set({ controller }, 0)
  }

  reconcileStarted(controller: string): void {
    this.#active.inc({ controller })
  }

  reconciled(controller: string, result: ReconcileResult, seconds: number): void {
    const succeeded = result === 'success' || result === 'requeue_after'
    this.#active.dec({ controller })
    this.#reconcileTime.observe({ controller }, seconds)
    this.#reconciles.inc({ controller, result: succeeded ? result : 'error' })
    if (!succeeded) this.#errors.inc({ controller })
    if (result === 'terminal') this.#terminal.inc({ controller })
    if (result === 'panic') this.#panics.inc({ controller })
    if (result === 'timeout') this.#timeouts.inc({ controller })
  }

  /** What a work queue of this name tells of itself. */
  queueObserver(name: string): {
    added(): void
    depth(waiting: number): void
    taken(waitedSeconds: number): void
    done(workedSeconds: number): void
    retried(): void
  } {
    const labels = { name, controller: name }
    return {
      added: () => this.#adds.inc(labels),
      depth: waiting => this.#depth.set(labels, waiting),
      taken: seconds => this.#waited.observe(labels, seconds),
      done: seconds => this.#worked.observe(labels, seconds),
      retried: () => this.#retries.inc(labels),
    }
  }

  /** Where to look at each scrape for the seconds that each handler of a queue has taken so far. */
  queueSource(name: string, unfinished: () => readonly number[]): void {
    const labels = { name, controller: name }
    this.#read('workqueue_unfinished_work_seconds', 'Time of all handlers at work', labels, () =>
      unfinished().reduce((sum, seconds) => sum + seconds, 0),
    )
    this.#read('workqueue_longest_running_processor_seconds', 'Time of the oldest handler at work', labels, () =>
      Math.max(0, ...unfinished()),
    )
  }

  leading(leads: boolean): void {
    this.#leads.set({ name: this.#leaseName }, Number(leads))
  }

  /** Counts an answer of the API server: its status, or "<error>". */
  request(method: string, code: string): void {
    this.#requests.inc({ code, method })
  }

  publication({ result, seconds, generation, bytes, objects }: Publication): void {
    this.#published.inc({ result })
    this.#publishTime.observe(seconds)
    if (generation !== undefined) this.#generation.set({ gateway: this.#gateway }, generation)
    if (bytes !== undefined) this.#bytes.set(bytes)
    if (objects) setAll(this.#objects, 'kind', objects)
  }

  /** From publishing a configuration to the last data plane that serves it. */
  propagated(seconds: number): void {
    this.#propagation.observe(seconds)
  }

  pods(counts: Readonly<Record<PodState, number>>): void {
    setAll(this.#pods, 'state', counts)
  }

  storeUp(up: boolean): void {
    this.#storeUp.set(Number(up))
  }

  /** All conditions there are; those not named any more go away. */
  conditions(counts: Iterable<ConditionCount>): void {
    this.#conditions.reset()
    for (const { kind, type, status, count } of counts) this.#conditions.set({ kind, type, status }, count)
  }

  /** Objects by kind that wait for something before they can go. */
  deletionBlocked(counts: Readonly<Record<string, number>>): void {
    setAll(this.#blocked, 'kind', counts)
  }

  eventLost(): void {
    this.#eventsLost.inc()
  }

  watchFailing(resource: string, failing: boolean): void {
    this.#watchFailing.set({ resource }, Number(failing))
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] })
  }

  #gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] })
  }

  #histogram(name: string, help: string, buckets: number[], labelNames: string[] = []): Histogram {
    return new Histogram({ name, help, buckets, labelNames, registers: [this.#registry] })
  }

  /** A gauge that is read when it is scraped; of several queues each has its own source. */
  #read(name: string, help: string, labels: Record<string, string>, read: () => number): void {
    const readers = this.#readers.get(name) ?? []
    readers.push({ labels, read })
    if (this.#readers.has(name)) return
    this.#readers.set(name, readers)
    const collect = function (this: Gauge): void {
      for (const reader of readers) this.set(reader.labels, reader.read())
    }
    this.#registry.registerMetric(new Gauge({ name, help, labelNames: Object.keys(labels), registers: [], collect }))
  }

  readonly #readers = new Map<string, { labels: Record<string, string>; read: () => number }[]>()
}

/** Sets one series a member, and takes away those of members that are gone. */
function setAll(gauge: Gauge, label: string, values: Readonly<Record<string, number>>): void {
  gauge.reset()
  for (const [name, value] of Object.entries(values)) gauge.set({ [label]: name }, value)
}
