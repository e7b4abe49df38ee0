// Pods that stand for data planes: a real Service's EndpointSlices list them, and tests say when they are ready. Nothing
// runs in them, and no kubelet or kwok touches them, so that they are what a test says and nothing else.
import { type Answer, type Cluster } from './cluster.ts'

/** A pod to be. */
export type GatewayPod = {
  namespace: string
  name: string
  labels: Readonly<Record<string, string>>
  /** EndpointSlices refuse loopback addresses (127.0.0.0/8) and link-local ones. */
  ip: string
}

/** The node that they are bound to; nothing can be scheduled there. */
const NODE = 'gateways'

const BY_TYPE = 'application/strategic-merge-patch+json'

/** Makes a pod that runs and is ready. Returns its uid. */
export async function addGatewayPod(cluster: Cluster, { namespace, name, labels, ip }: GatewayPod): Promise<string> {
  const node = { metadata: { name: NODE }, spec: { unschedulable: true } }
  const made = await cluster.request('POST', '/api/v1/nodes', { body: node })
  if (made.code !== 409) expectCode(made, 201)
  const body = {
    metadata: { name, labels },
    spec: { nodeName: NODE, terminationGracePeriodSeconds: 30, containers: [{ name: 'gateway', image: 'gateway' }] },
  }
  const pod = await cluster.request<{ metadata: { uid: string } }>('POST', pathOf(namespace), { body })
  expectCode(pod, 201)
  const now = new Date().toISOString()
  const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }], startTime: now, conditions: conditions(true) }
  await patchStatus(cluster, pathOf(namespace, name), status)
  return pod.body.metadata.uid
}

/** Makes it ready or not, as its readiness probe would. */
export async function setPodReady(cluster: Cluster, namespace: string, name: string, ready: boolean): Promise<void> {
  await patchStatus(cluster, pathOf(namespace, name), { conditions: conditions(ready) })
}

/** Takes it away at once; with `graceSeconds` it is terminating from now on, until it is removed without. */
export async function removePod(cluster: Cluster, namespace: string, name: string, graceSeconds = 0): Promise<void> {
  const path = `${pathOf(namespace, name)}?gracePeriodSeconds=${graceSeconds}`
  expectCode(await cluster.request('DELETE', path), 200)
}

async function patchStatus(cluster: Cluster, path: string, status: object): Promise<void> {
  expectCode(await cluster.request('PATCH', `${path}/status`, { body: { status }, contentType: BY_TYPE }), 200)
}

function conditions(ready: boolean): object[] {
  const lastTransitionTime = new Date().toISOString()
  const always = ['PodScheduled', 'Initialized'].map(type => ({ type, status: 'True', lastTransitionTime }))
  const now = ['ContainersReady', 'Ready'].map(type => ({ type, status: ready ? 'True' : 'False', lastTransitionTime }))
  return [...always, ...now]
}

function pathOf(namespace: string, name?: string): string {
  return `/api/v1/namespaces/${namespace}/pods${name === undefined ? '' : `/${name}`}`
}

function expectCode({ code, body }: Answer<unknown>, wanted: number): void {
  if (code !== wanted) throw new Error(`The API server said ${code}: ${JSON.stringify(body)}`)
}
