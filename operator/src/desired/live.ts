// Reads what others say in the status of a tenant's children. Status is not ours to define, so nothing is taken for
// granted.
import { z } from 'zod'
import type { KubeObject } from '../api/resource-type.ts'

const Condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().catch(''),
  message: z.string().catch(''),
  observedGeneration: z.int().optional().catch(undefined),
})

/** A condition of somebody else's object. */
export type LiveCondition = z.infer<typeof Condition>

const conditions = z.array(Condition).catch([])

const CertificateStatus = z.object({ conditions, notAfter: z.string().optional().catch(undefined) })
const IngressStatus = z.object({
  loadBalancer: z.object({ ingress: z.array(z.unknown()) }),
})
const RouteStatus = z.object({ parents: z.array(z.object({ controllerName: z.string().catch(''), conditions })) })
const ListenerSetStatus = z.object({ conditions })

/** The child of this kind and name. */
export function find(live: Iterable<KubeObject>, kind: string, name: string): KubeObject | undefined {
  for (const object of live) if (object.kind === kind && object.metadata.name === name) return object
  return undefined
}

export function certificateStatus({ status }: KubeObject): z.infer<typeof CertificateStatus> {
  return CertificateStatus.safeParse(status).data ?? { conditions: [], notAfter: undefined }
}

/** True when a controller has put an address on the Ingress. */
export function hasAddress({ status }: KubeObject): boolean {
  return (IngressStatus.safeParse(status).data?.loadBalancer.ingress.length ?? 0) > 0
}

/** What each controller says of an HTTPRoute. */
export function routeParents({ status }: KubeObject): z.infer<typeof RouteStatus>['parents'] {
  return RouteStatus.safeParse(status).data?.parents ?? []
}

export function listenerSetConditions({ status }: KubeObject): LiveCondition[] {
  return ListenerSetStatus.safeParse(status).data?.conditions ?? []
}

/** True when the condition speaks of the object as it is now; one without a generation is believed. */
export function isCurrent({ observedGeneration }: LiveCondition, { metadata }: KubeObject): boolean {
  return (
    observedGeneration === undefined || metadata.generation === undefined || observedGeneration >= metadata.generation
  )
}
