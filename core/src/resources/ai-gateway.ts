// Kind AIGateway: what holds for the whole gateway. Its namespace is the only one that may hold ProxyAdmin keys.
import { z } from 'zod'
import { later } from './later.ts'
import { duration, Label, LocalRef, namespacedKind, ObjectName, secretKeyRef } from './metadata.ts'
import { AllowedNamespaces, LabelSelector } from './namespaces.ts'
import { CIDR, Domain } from './network.ts'
import { immutable, listMap, rule, valuesOnce } from './rule.ts'

/** The key of a Secret that holds the address of a Redis when nothing else is said. */
const REDIS_SECRET_KEY = 'url'

/** The Service of the gateway's pods when nothing else is said. */
const DATA_PLANE_SERVICE = 'smartflow-gateway'

/** A kind or group of an issuer of certificates. */
const IssuerPart = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[A-Za-z0-9.-]+$/, { error: 'must be letters, digits, "-" or "."' })

/** An issuer of cert-manager, or of a group that works like it. */
export const IssuerRef = z.strictObject({
  name: ObjectName.describe('The name of the issuer.'),
  kind: IssuerPart.default('ClusterIssuer').describe(
    'ClusterIssuer, Issuer (of the namespace of the gateway), or a kind of another group.',
  ),
  group: IssuerPart.default('cert-manager.io').describe('The API group of the issuer.'),
})

const Redis = z.strictObject({
  secretRef: secretKeyRef(REDIS_SECRET_KEY).describe(
    'The Secret entry with the address, like rediss://user:word@host.',
  ),
  keyPrefix: later(
    z
      .string()
      .max(32)
      .regex(/^[a-z0-9:-]+$/, { error: 'must be lower-case letters, digits, ":" or "-"' })
      .check(immutable('the gateway would lose what it stored; make a new AIGateway instead'))
      .describe('What every key in Redis begins with. Not served yet.'),
  ),
  tls: later(
    z
      .strictObject({
        caRef: LocalRef.optional().describe('A ConfigMap whose ca.crt proves the server.'),
        insecureSkipVerify: z.boolean().default(false).describe('Accept any certificate.'),
      })
      .describe('How the connection is secured. Not served yet.'),
  ),
})

const DataPlane = z.strictObject({
  serviceName: Label.default(DATA_PLANE_SERVICE).describe('The Service whose endpoints are the pods of the gateway.'),
  minProgrammedPercent: z
    .int()
    .min(1)
    .max(100)
    .default(100)
    .describe('How many of the ready pods must serve an object before it counts as Programmed, in percent.'),
  // Pods renew their word every 5 s: with less patience than two of those, statuses would flap.
  ackTimeout: duration('10s', '10m')
    .default('30s')
    .describe('How old the last word of a pod may be before the pod counts as silent.'),
  selector: later(LabelSelector.describe('Chooses the pods instead of a Service. Not served yet.')),
})

const GatewayRef = z.strictObject({
  name: ObjectName.describe('The name of the Gateway of the Gateway API.'),
  namespace: Label.optional().describe('Its namespace; that of this object when absent.'),
  sectionName: z.string().min(1).max(253).optional().describe('One listener of it; all of them when absent.'),
})

const ExposureTLS = z
  .strictObject({
    mode: z
      .enum(['Certificate', 'Existing', 'Disabled'])
      .default('Certificate')
      .describe(
        'Certificate: cert-manager makes one for each tenant. Existing: Secrets that are there. Disabled: plain http.',
      ),
    issuerRefs: z
      .array(IssuerRef)
      .max(8)
      .check(listMap(['name', 'kind', 'group'], 'name an issuer once'))
      .default([])
      .describe('Issuers that tenants may use. The first is taken for tenants that name none.'),
    wildcardSecretName: ObjectName.optional().describe('A Secret with a certificate for all the domains.'),
    minVersion: later(z.enum(['TLS12', 'TLS13']).describe('The oldest TLS that is accepted. Not served yet.')),
  })
  .prefault({})

const Exposure = z
  .strictObject({
    type: z
      .enum(['Nginx', 'IngressNginx', 'GatewayAPI', 'Ingress', 'None'])
      .default('None')
      .describe(
        'What is made for the host names of tenants: objects for the NGINX Ingress Controller (Nginx), for the retired ingress-nginx (IngressNginx), routes of the Gateway API, an Ingress without annotations, or nothing.',
      ),
    className: ObjectName.optional().describe('The ingress class of the Ingress objects.'),
    gatewayRef: GatewayRef.optional().describe('The Gateway that routes attach to; for type GatewayAPI.'),
    domains: z
      .array(Domain)
      .max(32)
      .check(valuesOnce())
      .default([])
      .describe(
        'Domains under which tenants may have host names: example.com for all below it, *.example.com for one label below. None when empty.',
      ),
    tls: ExposureTLS.describe('Certificates of the host names.'),
    networkPolicy: z
      .boolean()
      .default(false)
      .describe('Make a NetworkPolicy that lets only the ingress reach the pods.'),
  })
  .check(
    rule(
      {
        cel: "(self.type == 'GatewayAPI') == has(self.gatewayRef)",
        message: 'goes with type GatewayAPI, and only with it',
        path: ['gatewayRef'],
      },
      ({ type, gatewayRef }) => (type === 'GatewayAPI') === (gatewayRef !== undefined),
    ),
  )
  .prefault({})

const Defaults = z
  .strictObject({
    requestTimeout: duration('1s', '1h').default('60s').describe('How long one attempt at a provider may take.'),
    streamIdleTimeout: duration('1s', '1h').default('60s').describe('How long a stream may say nothing.'),
    maxBodyBytes: z
      .int()
      .min(1_024)
      .max(268_435_456)
      .default(33_554_432)
      .describe('The largest body of a request, in bytes.'),
    cache: later(
      z
        .strictObject({
          enabled: z.boolean().describe('Whether replies are cached where no policy says.'),
          ttl: duration('1s', '720h').default('1h').describe('How long a reply is kept.'),
          similarityPercent: z.int().min(50).max(100).default(90).describe('How alike questions must be, in percent.'),
        })
        .describe('The cache where no policy says anything. Not served yet.'),
    ),
  })
  .prefault({})

const StoreLoss = z
  .strictObject({
    budgets: z
      .enum(['FailOpenLocal', 'FailClosed'])
      .default('FailOpenLocal')
      .describe('FailOpenLocal lets each process spend a little until Redis is back; FailClosed refuses calls.'),
    rateLimits: z
      .enum(['Local', 'FailClosed'])
      .default('Local')
      .describe('Local counts in each process until Redis is back; FailClosed refuses calls.'),
  })
  .prefault({})

const ConnectionRef = z.strictObject({
  secretRef: secretKeyRef(REDIS_SECRET_KEY).describe('The Secret entry with the address and the credential.'),
})

const laterFields = {
  cacheStore: later(
    z
      .strictObject({ redis: ConnectionRef.describe('The Redis for cached replies.') })
      .describe('Where replies are cached, if not in the Redis of configStore. Not served yet.'),
  ),
  staleness: later(
    z
      .strictObject({
        warnAfter: duration('1s', '24h').default('5m').describe('When an old configuration is warned of.'),
        maxAge: duration('1m', '8760h').optional().describe('When it is too old; never when absent.'),
        onExceeded: z.enum(['Serve', 'DenyVirtualKeys', 'Deny']).default('Serve').describe('What happens then.'),
      })
      .describe('What pods do when they have not heard of a configuration for long. Not served yet.'),
  ),
  managementAPI: later(
    z
      .strictObject({ mode: z.enum(['ReadOnly', 'Hybrid']).describe('Whether objects can be made over HTTP too.') })
      .describe('The management API. Not served yet.'),
  ),
  sinks: later(
    z
      .strictObject({
        mongo: ConnectionRef.optional().describe('A MongoDB for audit records.'),
        postgres: ConnectionRef.optional().describe('A PostgreSQL for audit records.'),
      })
      .describe('Databases that keep audit records. Not served yet.'),
  ),
  egress: later(
    z
      .strictObject({
        allowCIDRs: z.array(CIDR).max(64).describe('Private addresses that discovered targets may have.'),
      })
      .describe('Where the gateway may call. Not served yet.'),
  ),
  trustedProxies: later(z.array(CIDR).max(64).describe('Addresses whose X-Forwarded-For is believed. Not served yet.')),
  telemetry: later(
    z
      .strictObject({
        otlpEndpoint: z.string().max(2048).optional().describe('Where traces are sent.'),
        samplePercent: z.int().min(0).max(100).default(10).describe('How many calls are traced, in percent.'),
      })
      .describe('Traces. Not served yet.'),
  ),
  embedder: later(
    z
      .strictObject({
        workers: z.int().min(1).max(64).optional().describe('Threads that embed.'),
        providerRef: LocalRef.optional().describe('An AIProvider that embeds instead.'),
        model: z.string().max(256).optional().describe('The model that embeds.'),
      })
      .describe('How texts become vectors for the cache. Not served yet.'),
  ),
}

const spec = z
  .strictObject({
    configStore: z
      .strictObject({ redis: Redis.describe('The Redis of the gateway.') })
      .optional()
      .describe('Where configuration, budgets and records are kept. The Redis of the installation when absent.'),
    dataPlane: DataPlane.prefault({}).describe('The pods that serve calls, and when an object counts as served.'),
    allowedNamespaces: AllowedNamespaces.optional().describe(
      'Namespaces whose objects this gateway serves; all of them when absent.',
    ),
    exposure: Exposure.describe('How host names of tenants reach the gateway.'),
    defaults: Defaults.describe('What holds where providers and policies say nothing else.'),
    storeLoss: StoreLoss.describe('What happens to limits while Redis is away.'),
    ...laterFields,
  })
  .prefault({})

/** Every field has a default; a gateway without an AIGateway runs with the defaults. */
export const AIGateway = namespacedKind('AIGateway', spec)
export type AIGateway = z.infer<typeof AIGateway>
