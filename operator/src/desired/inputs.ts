// What the children of a tenant are made from: the members of AITenant and AIGateway that are read here, and what the
// operator knows of the cluster. The resources' own types fit these shapes.

/** An issuer of cert-manager. */
export interface IssuerRef {
  readonly name: string
  readonly kind?: string | undefined
  readonly group?: string | undefined
}

interface Metadata {
  readonly name: string
  readonly uid?: string | undefined
  readonly generation?: number | undefined
  readonly creationTimestamp?: string | null | undefined
}

/** An AITenant, as far as its host names are concerned. */
export interface Tenant {
  readonly metadata: Metadata
  readonly spec: {
    readonly hostnames?: readonly string[] | undefined
    readonly tls?: { readonly issuerRef?: IssuerRef | undefined; readonly secretName?: string | undefined } | undefined
    readonly exposeManagement?: boolean | undefined
  }
}

/** How a gateway's host names reach it: each value is a dialect of its own. */
export type ExposureType = 'Nginx' | 'IngressNginx' | 'GatewayAPI' | 'Ingress' | 'None'

/** `AIGateway.spec.exposure`. */
export interface Exposure {
  readonly type?: ExposureType | undefined
  readonly className?: string | undefined
  readonly gatewayRef?:
    | {
        readonly name: string
        readonly namespace?: string | undefined
        readonly sectionName?: string | undefined
      }
    | undefined
  readonly domains?: readonly string[] | undefined
  readonly tls?:
    | {
        readonly mode?: 'Certificate' | 'Existing' | 'Disabled' | undefined
        readonly issuerRefs?: readonly IssuerRef[] | undefined
        readonly wildcardSecretName?: string | undefined
      }
    | undefined
  readonly networkPolicy?: boolean | undefined
}

/** An AIGateway, as far as the way in is concerned. */
export interface Gateway {
  readonly metadata: Metadata & { readonly namespace: string }
  readonly spec: {
    readonly exposure?: Exposure | undefined
    readonly dataPlane?: { readonly serviceName?: string | undefined } | undefined
    readonly defaults: {
      readonly requestTimeout: string
      readonly streamIdleTimeout: string
      readonly maxBodyBytes: number
    }
  }
}

/** Which extensions the cluster has; what needs an absent one is left out and said in the status. */
export interface Available {
  readonly certManager: boolean
  readonly gatewayAPI: boolean
  readonly serviceMonitor: boolean
  /** The policies of NGINX Gateway Fabric. */
  readonly nginxGateway: boolean
}

/** A Service of the gateway's namespace, and the port of it that is meant. */
export interface Backend {
  readonly name: string
  readonly port: number
}

/** The Services and pods that the chart installed. */
export interface Services {
  readonly gateway: Backend
  readonly management: Backend
  /** Labels of the gateway's pods. */
  readonly gatewayPods: Readonly<Record<string, string>>
  /** Labels that all Services with metrics have. */
  readonly all: Readonly<Record<string, string>>
}

/** Ports that pods listen on, and the name of the Services' port for metrics. */
export const PORTS = { proxy: 7775, management: 7778, metrics: 9464, metricsName: 'metrics' } as const

/** The Services of a gateway as the chart names and labels them; `gatewayId` is the release's name. */
export function servicesOf(gateway: Gateway, gatewayId: string): Services {
  const all = { 'app.kubernetes.io/name': 'smartflow', 'app.kubernetes.io/instance': gatewayId }
  return {
    gateway: { name: gateway.spec.dataPlane?.serviceName ?? `${gatewayId}-gateway`, port: PORTS.proxy },
    management: { name: `${gatewayId}-management`, port: PORTS.management },
    gatewayPods: { ...all, 'app.kubernetes.io/component': 'gateway' },
    all,
  }
}
