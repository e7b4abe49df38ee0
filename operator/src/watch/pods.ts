// The gateway's pods as its EndpointSlices list them.
import { isRecord, type KubeObject } from '../api/resource-type.ts'

/** One pod behind the gateway's Service. */
export interface GatewayPod {
  readonly uid: string
  readonly name: string
  /** Ready and not terminating: it takes new calls, and what it serves counts for `Programmed`. */
  readonly counted: boolean
}

const SERVICE_LABEL = 'kubernetes.io/service-name'

/** Pods of a Service, each once, by name. */
export function podsOf(slices: Iterable<KubeObject>, serviceName: string): GatewayPod[] {
  const pods = new Map<string, GatewayPod>()
  for (const slice of slices) {
    if (slice.metadata.labels?.[SERVICE_LABEL] !== serviceName) continue
    const endpoints: unknown[] = Array.isArray(slice['endpoints']) ? slice['endpoints'] : []
    for (const endpoint of endpoints) {
      const pod = podOf(endpoint)
      // A pod with two address families stands in two slices.
      if (pod !== undefined && pods.get(pod.uid)?.counted !== true) pods.set(pod.uid, pod)
    }
  }
  return [...pods.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function podOf(endpoint: unknown): GatewayPod | undefined {
  if (!isRecord(endpoint) || !isRecord(endpoint['targetRef'])) return undefined
  const { kind, name, uid } = endpoint['targetRef']
  if (kind !== 'Pod' || typeof name !== 'string' || typeof uid !== 'string') return undefined
  const conditions = isRecord(endpoint['conditions']) ? endpoint['conditions'] : {}
  // The API says of an absent `ready` that it is to be taken for true.
  const counted = conditions['ready'] !== false && conditions['terminating'] !== true
  return { uid, name, counted }
}
