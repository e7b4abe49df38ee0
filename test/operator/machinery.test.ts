// The operator's machinery against a real API server: what a fake one cannot prove.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, inject, onTestFinished } from 'vitest'
import type { Cluster, ClusterAddress } from '../../hack/control-plane/cluster.ts'
import { startControlPlane } from '../../hack/control-plane/control-plane.ts'
import { ApiError } from '../../operator/src/api/api-error.ts'
import { KubeClient } from '../../operator/src/api/client.ts'
import { ClusterAccess } from '../../operator/src/api/kube-config.ts'
import { type KubeObject, type NewObject, type ObjectKey, TYPES } from '../../operator/src/api/resource-type.ts'
import { Events } from '../../operator/src/apply/events.ts'
import { LeaderElection } from '../../operator/src/apply/lease.ts'
import { Writer } from '../../operator/src/apply/writer.ts'
import { Reflector } from '../../operator/src/watch/reflector.ts'
import { eventually } from '../e2e/gateway.ts'
import { test } from './cluster-test.ts'

const CONFIG_MAP = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true } as const

const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

function open(kubeconfig: string): KubeClient {
  const client = new KubeClient({ access: new ClusterAccess({ kubeconfig }) })
  closing.push(() => client.close())
  return client
}

/** A way to the API server that counts connections and can be cut. */
class Wire {
  connections = 0
  readonly kubeconfig: string
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  #cut = false

  private constructor(server: Server, kubeconfig: string) {
    this.#server = server
    this.kubeconfig = kubeconfig
  }

  static async to({ server, ca, tokens }: ClusterAddress): Promise<Wire> {
    const directory = mkdtempSync(join(tmpdir(), 'machinery-'))
    const listener = createServer()
    const wire = new Wire(listener, join(directory, 'kubeconfig'))
    const target = Number(new URL(server).port)
    listener.on('connection', socket => wire.#join(socket, target))
    await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
    const { port } = listener.address() as AddressInfo
    const cluster = {
      server: `https://127.0.0.1:${port}`,
      'certificate-authority-data': Buffer.from(ca).toString('base64'),
    }
    const config = {
      'current-context': 'c',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { token: tokens['admin'] } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    }
    writeFileSync(wire.kubeconfig, JSON.stringify(config))
    closing.push(async () => {
      wire.cut()
      await new Promise(resolve => wire.#server.close(resolve))
      rmSync(directory, { recursive: true })
    })
    return wire
  }

  cut(): void {
    this.#cut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#cut = false
  }

  #join(near: Socket, port: number): void {
    if (this.#cut) {
      near.destroy()
      return
    }
    this.connections++
    const far = connect(port, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  }
}

async function configMap(cluster: Cluster, namespace: string, name: string): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } }
  const { code } = await cluster.request('POST', `/api/v1/namespaces/${namespace}/configmaps`, { body })
  expect(code).toBe(201)
}

async function live(client: KubeClient, key: ObjectKey): Promise<KubeObject> {
  const object = await client.get(key)
  if (!object) throw new Error(`${key.name} is not there`)
  return object
}

type Followed = { reflector: Reflector; changes: string[]; lists: () => number }

function follow(client: KubeClient, namespace: string): Followed {
  const changes: string[] = []
  let lists = 0
  const counted: Pick<KubeClient, 'get' | 'list' | 'watch'> = {
    get: (key, options) => client.get(key, options),
    watch: (type, options) => client.watch(type, options),
    list: async (type, options) => {
      const page = await client.list(type, options)
      lists++
      return page
    },
  }
  const onChange: ConstructorParameters<typeof Reflector>[0]['onChange'] = ({ name }, { kind, background }) =>
    void (background || changes.push(`${kind} ${name}`))
  // The shortest pauses: how they grow is tested elsewhere.
  const reflector = new Reflector({ client: counted, type: CONFIG_MAP, namespace, onChange, random: () => 0 })
  reflector.start()
  closing.push(() => reflector.stop())
  return { reflector, changes, lists: () => lists }
}

describe('one connection', () => {
  test('carries many watches and lists at once', async ({ cluster, namespace }) => {
    const wire = await Wire.to(cluster.address)
    const client = open(wire.kubeconfig)
    const watched = Array.from({ length: 8 }, () => follow(client, namespace))
    await Promise.all(watched.map(({ reflector }) => reflector.synced))
    await Promise.all(Array.from({ length: 40 }, () => client.list(TYPES.Namespace)))
    await configMap(cluster, namespace, 'new')
    await eventually(
      'all watches to see it',
      () => watched.every(({ changes }) => changes.includes('added new')) || undefined,
    )
    expect(wire.connections).toBe(1)
  })
})

describe('a reflector', () => {
  test('lives through a crash of the API server, and through history that is gone', async ({ skip }) => {
    if (!inject('cluster')) skip('there is no Kubernetes control plane to be had')
    const dir = mkdtempSync(join(tmpdir(), 'machinery-cluster-'))
    const plane = await startControlPlane({ dir })
    onTestFinished(async () => {
      await plane.stop()
      rmSync(dir, { recursive: true, force: true })
    })
    const namespace = await plane.newNamespace('machinery')
    const wire = await Wire.to(plane.address)
    const { reflector, changes, lists } = follow(open(wire.kubeconfig), namespace)
    await reflector.synced
    const settled = async (name: string): Promise<void> => {
      await eventually(name, () => (changes.includes(name) && reflector.failing() === undefined) || undefined)
    }
    await configMap(plane, namespace, 'again')
    await settled('added again')

    await plane.killApiServer()
    await eventually('the reflector to notice', () => reflector.failing())
    expect(reflector.get(namespace, 'again')).toBeDefined()
    await plane.startApiServer()
    await configMap(plane, namespace, 'after-the-crash')
    await settled('added after-the-crash')
    expect(changes).toEqual(['added again', 'added after-the-crash'])

    changes.length = 0
    const listed = lists()
    wire.cut()
    const path = `/api/v1/namespaces/${namespace}/configmaps`
    await plane.request('DELETE', `${path}/again`)
    await plane.request('DELETE', `${path}/after-the-crash`)
    await configMap(plane, namespace, 'again')
    await plane.compact()
    await plane.killApiServer()
    await plane.startApiServer()
    wire.mend()
    await settled('added again')
    expect(changes).toEqual(expect.arrayContaining(['deleted again', 'deleted after-the-crash', 'added again']))
    expect(changes).toHaveLength(3)
    expect(lists()).toBe(listed + 1)
    expect(changes.indexOf('deleted again')).toBeLessThan(changes.indexOf('added again'))
  }, 300_000)
})

function ingress(namespace: string, host: string): NewObject {
  const backend = { service: { name: 'gateway', port: { number: 80 } } }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'acme', namespace, labels: { 'smartflow.dev/tenant': 'acme' } },
    spec: { rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }] },
  }
}

describe('what is written', () => {
  test('is nothing when it is as desired, with another manager present', async ({ cluster, namespace }) => {
    const client = open(cluster.address.kubeconfig)
    const writer = new Writer(client)
    const key = { type: TYPES.Ingress, namespace, name: 'acme' }
    expect(await writer.apply(ingress(namespace, 'a.example.com'), undefined)).toBe('written')
    const theirs = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'acme', namespace, labels: { theirs: 'yes' } },
    }
    await client.apply(theirs, { fieldManager: 'somebody' })
    const before = await live(client, key)
    expect(await writer.apply(ingress(namespace, 'a.example.com'), before)).toBe('unchanged')
    // Also when it is sent all the same, as by one whose cache is old.
    expect(await writer.apply(ingress(namespace, 'a.example.com'), undefined)).toBe('written')
    const after = await live(client, key)
    expect(after.metadata.resourceVersion).toBe(before.metadata.resourceVersion)
    expect(await writer.apply(ingress(namespace, 'b.example.com'), after)).toBe('written')
    expect((await live(client, key)).metadata.labels).toMatchObject({ theirs: 'yes', 'smartflow.dev/tenant': 'acme' })
  })

  test('takes back a field that is wanted no longer', async ({ cluster, namespace }) => {
    const client = open(cluster.address.kubeconfig)
    const writer = new Writer(client)
    const key = { type: TYPES.Ingress, namespace, name: 'acme' }
    const desired = ingress(namespace, 'a.example.com')
    await writer.apply({ ...desired, metadata: { ...desired.metadata, annotations: { once: 'wanted' } } }, undefined)
    expect((await live(client, key)).metadata.annotations?.['once']).toBe('wanted')
    expect(await writer.apply(desired, await live(client, key))).toBe('written')
    expect((await live(client, key)).metadata.annotations?.['once']).toBeUndefined()
  })

  test('never falls on an object made anew, nor on a stranger’s', async ({ cluster, namespace }) => {
    const client = open(cluster.address.kubeconfig)
    const writer = new Writer(client)
    const key = { type: TYPES.Ingress, namespace, name: 'acme' }
    const path = `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses`
    await cluster.request('POST', path, { body: ingress(namespace, 'theirs.example.com') })
    const made = await live(client, key)
    await expect(writer.apply(ingress(namespace, 'a.example.com'), undefined)).rejects.toMatchObject({
      reason: 'AlreadyExists',
    })
    expect(await writer.remove(key, 'another-uid')).toBe(false)
    expect(await writer.remove(key, made.metadata.uid)).toBe(true)
    await writer.apply(ingress(namespace, 'a.example.com'), undefined)
    const first = await live(client, key)
    await client.delete(key)
    await expect(writer.apply(ingress(namespace, 'b.example.com'), first)).rejects.toMatchObject({ reason: 'Conflict' })
    await writer.apply(ingress(namespace, 'a.example.com'), undefined)
    expect(await writer.applyStatus(key, { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } }, first)).toBe('unchanged')
    expect((await live(client, key)).status).toEqual({ loadBalancer: {} })
    const second = await live(client, key)
    expect(await writer.applyStatus(key, { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } }, second)).toBe('written')
    expect((await live(client, key)).status).toMatchObject({ loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } })
  })

  test('puts finalizers on and off, and only on what was looked at', async ({ cluster, namespace }) => {
    const client = open(cluster.address.kubeconfig)
    const writer = new Writer(client)
    const key = { type: TYPES.Ingress, namespace, name: 'acme' }
    await writer.apply(ingress(namespace, 'a.example.com'), undefined)
    const before = await live(client, key)
    expect(await writer.addFinalizer(key, 'smartflow.dev/revoke', before)).toBe('written')
    await expect(writer.addFinalizer(key, 'smartflow.dev/other', before)).rejects.toMatchObject({ reason: 'Conflict' })
    const marked = await live(client, key)
    expect(marked.metadata.finalizers).toEqual(['smartflow.dev/revoke'])
    await client.delete(key)
    expect(await writer.removeFinalizer(key, 'smartflow.dev/revoke', await live(client, key))).toBe('written')
    expect(await client.get(key)).toBeUndefined()
  })

  test('says why the API server refuses it', async ({ cluster, namespace }) => {
    const client = open(cluster.address.kubeconfig)
    const bad = { ...ingress(namespace, 'a.example.com'), spec: { rulez: [] } }
    const error: unknown = await new Writer(client).apply(bad, undefined).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ reason: 'Invalid', message: expect.stringContaining('rulez') as string })
  })
})

describe('events', () => {
  test('are accepted, and counted up', async ({ cluster, namespace }) => {
    const client = open(cluster.address.kubeconfig)
    await new Writer(client).apply(ingress(namespace, 'a.example.com'), undefined)
    const regarding = await live(client, { type: TYPES.Ingress, namespace, name: 'acme' })
    const problems: string[] = []
    const onProblem = (problem: string): void => void problems.push(problem)
    const events = new Events({ client, instance: 'operator-0', onProblem })
    closing.push(() => events.stop())
    for (let time = 0; time < 2; time++) {
      events.emit(regarding, { type: 'Warning', reason: 'NoDataPlanes', action: 'Publish', message: 'start a gateway' })
      await events.settled()
    }
    expect(problems).toEqual([])
    const { items } = await client.list(TYPES.Event, { namespace })
    expect(items).toMatchObject([{ reason: 'NoDataPlanes', note: 'start a gateway', series: { count: 2 } }])
  })
})

describe('leadership', () => {
  const stand = (client: KubeClient, namespace: string, identity: string, told: string[]): LeaderElection => {
    const elector = new LeaderElection({ client, namespace, name: 'operator', identity })
    void elector.run({
      onStarted: () => told.push(`${identity} leads`),
      onLost: () => told.push(`${identity} lost`),
    })
    closing.push(() => elector.stop())
    return elector
  }

  test('goes over at once when it is given back, and after fifteen seconds when it is not', async ({
    cluster,
    namespace,
  }) => {
    const told: string[] = []
    const wire = await Wire.to(cluster.address)
    const one = stand(open(cluster.address.kubeconfig), namespace, 'one', told)
    await eventually('one to lead', () => told.includes('one leads') || undefined)
    const two = stand(open(wire.kubeconfig), namespace, 'two', told)
    await eventually('two to see one', () => two.leader() === 'one' || undefined)
    await one.stop()
    const released = performance.now()
    await eventually('two to lead', () => told.includes('two leads') || undefined)
    // Less than a lease: what was given back was not waited for.
    expect(performance.now() - released).toBeLessThan(12_000)

    stand(open(cluster.address.kubeconfig), namespace, 'three', told)
    wire.cut()
    await eventually('three to lead', () => told.includes('three leads') || undefined, 30_000)
    expect(told).toEqual(['one leads', 'two leads', 'two lost', 'three leads'])
  })
})
