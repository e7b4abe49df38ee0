// Operators in this process that die at a chosen write: to the API server or to the store, before it or right after it.
// Whatever they do afterwards reaches nobody, as of a process that is gone.
import { CLAIM_SCRIPT, COMMIT_SCRIPT, TOUCH_SCRIPT } from '../../core/src/snapshot/scripts.ts'
import { KubeClient } from '../../operator/src/api/client.ts'
import { ClusterAccess } from '../../operator/src/api/kube-config.ts'
import { isRecord } from '../../operator/src/api/resource-type.ts'
import { StoreConnection } from '../../operator/src/apply/redis.ts'
import { Operator } from '../../operator/src/operator.ts'
import { readSettings } from '../../operator/src/settings.ts'
import { OperatorMetrics } from '../../operator/src/telemetry/metrics.ts'
import type { Place } from './stack.ts'

/** Scripts of the publisher, by what they do. */
const SCRIPTS: ReadonlyMap<string, string> = new Map([
  [CLAIM_SCRIPT.sha, 'claim'],
  [TOUCH_SCRIPT.sha, 'touch'],
  [COMMIT_SCRIPT.sha, 'commit'],
])
const STORE_WRITES: ReadonlySet<string> = new Set(['mset', 'set', 'zadd', 'sadd', 'del'])

/** Before it takes effect, or after, but without hearing of it. */
export type When = 'before' | 'after'

/** Counts the writes of one operator, and kills it at one of them. */
export class Fate {
  readonly #writes: string[] = []
  #at: number = Infinity
  #when: When = 'before'
  #which = /^/
  #dead = false
  #died = Promise.withResolvers<void>()

  /** It dies at the write with this number from now on, of those that are counted: all of them by default. */
  arm(at: number, when: When, which = /^/): this {
    this.#writes.length = 0
    this.#at = at
    this.#when = when
    this.#which = which
    return this
  }

  get dead(): boolean {
    return this.#dead
  }

  /** When it dies. */
  get died(): Promise<void> {
    return this.#died.promise
  }

  /** What it has written since it was armed, in words. */
  get writes(): readonly string[] {
    return this.#writes
  }

  kill(): void {
    this.#dead = true
    this.#died.resolve()
  }

  /** Reads of a dead one get no answer. */
  async reads<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#dead) throw new Error('this operator is dead')
    return await ask()
  }

  async writing<T>(what: string, write: () => Promise<T>): Promise<T> {
    if (this.#dead) throw new Error('this operator is dead')
    if (!this.#which.test(what)) return await write()
    this.#writes.push(what)
    if (this.#writes.length !== this.#at) return await write()
    if (this.#when === 'after') await write()
    this.kill()
    throw new Error(`this operator died ${this.#when} ${what}`)
  }
}

/** A client whose calls share the fate of its operator. */
class MortalClient extends KubeClient {
  readonly #fate: Fate

  constructor(kubeconfig: string, fate: Fate) {
    super({ access: new ClusterAccess({ kubeconfig }) })
    this.#fate = fate
  }

  override get(...args: Parameters<KubeClient['get']>) {
    return this.#fate.reads(() => super.get(...args))
  }

  override list(...args: Parameters<KubeClient['list']>) {
    return this.#fate.reads(() => super.list(...args))
  }

  override create(...args: Parameters<KubeClient['create']>) {
    const [object] = args
    return this.#fate.writing(`create ${object.kind} ${object.metadata.name}`, () => super.create(...args))
  }

  override apply(...args: Parameters<KubeClient['apply']>) {
    const [object, { subresource = '' }] = args
    return this.#fate.writing(`apply ${object.kind} ${object.metadata.name} ${subresource}`, () => super.apply(...args))
  }

  override patchJson(...args: Parameters<KubeClient['patchJson']>) {
    const [{ type, name }, operations] = args
    const last = operations.at(-1)
    const what = `patch ${type.kind} ${name} ${last?.op} ${last?.path}`
    return this.#fate.writing(what, () => super.patchJson(...args))
  }

  override replace(...args: Parameters<KubeClient['replace']>) {
    const [object] = args
    const holder = isRecord(object.spec) ? object.spec['holderIdentity'] : undefined
    const what = `replace ${object.kind} ${object.metadata.name} of ${holder === '' ? 'nobody' : 'its own'}`
    return this.#fate.writing(what, () => super.replace(...args))
  }

  override delete(...args: Parameters<KubeClient['delete']>) {
    const [{ type, name }] = args
    return this.#fate.writing(`delete ${type.kind} ${name}`, () => super.delete(...args))
  }
}

/** An operator that can die. */
export interface Mortal {
  readonly fate: Fate
  readonly log: () => string
  /** Ends it in order, if it does not die of that. */
  readonly stop: () => Promise<void>
  /** Ends it without letting it finish anything. */
  readonly bury: () => Promise<void>
}

let born = 0

/** Starts one; by default without election, since the dead cannot give back a lease. */
export async function startMortal(
  place: Place,
  { fate = new Fate(), election = false }: { fate?: Fate; election?: boolean } = {},
): Promise<Mortal> {
  const settings = readSettings({
    SMARTFLOW_NAMESPACE: place.namespace,
    SMARTFLOW_GATEWAY: place.gateway,
    SMARTFLOW_LEADER_ELECTION: String(election),
    REDIS_URL: place.redisUrl,
  })
  const lines: string[] = []
  const client = new MortalClient(place.cluster.address.kubeconfig, fate)
  newest = fate
  const operator = new Operator({
    client,
    settings,
    metrics: new OperatorMetrics({ gateway: place.gateway, leaseName: 'none', version: 'test' }),
    identity: `mortal-${++born}`,
    log: (level, message, fields) =>
      lines.push(JSON.stringify({ level, message, ...fields, error: String(fields?.['error']) })),
    onLost: why => lines.push(`lost: ${why}`),
  })
  // One that dies at its first write may never finish its start.
  const started = operator.start()
  started.catch(() => undefined)
  await Promise.race([started, fate.died])
  return {
    fate,
    log: () => lines.slice(-60).join('\n'),
    stop: () => operator.stop(),
    async bury() {
      fate.kill()
      await operator.stop()
      await client.close()
    },
  }
}

/* ------------------------------------------------------------------ store */

/** Of the operator that was started last: a connection to the store is made inside it, and belongs to it from its first call. */
let newest: Fate | undefined

// They are always called on a connection.
// oxlint-disable-next-line typescript/unbound-method
const { send, run } = StoreConnection.prototype

/** Makes every connection to the store share the fate of its operator. Gives what undoes it. */
export function mortalStore(): () => void {
  const fates = new WeakMap<StoreConnection, Fate>()
  const fateOf = (connection: StoreConnection): Fate => {
    const fate = fates.get(connection) ?? newest
    if (fate === undefined) throw new Error('no operator was started')
    fates.set(connection, fate)
    return fate
  }
  StoreConnection.prototype.send = function (command, args) {
    const ask = () => send.call(this, command, args)
    return STORE_WRITES.has(command) ? fateOf(this).writing(`${command} ${args[0]}`, ask) : fateOf(this).reads(ask)
  }
  StoreConnection.prototype.run = function (script, keys, args) {
    const ask = () => run.call(this, script, keys, args)
    return fateOf(this).writing(`script ${SCRIPTS.get(script.sha) ?? script.sha} ${keys[0]}`, ask)
  }
  return () => Object.assign(StoreConnection.prototype, { send, run })
}
