// Kind AITenant (cluster-scoped, an administrator's): which namespaces belong together and what they may use in all.
import { z } from 'zod'
import { IssuerRef } from './ai-gateway.ts'
import { later } from './later.ts'
import {
  BudgetSpec,
  clusterKind,
  duration,
  Label,
  listOf,
  ObjectName,
  rateLimitFields,
  RateLimitSpec,
  SubjectName,
} from './metadata.ts'
import { LabelSelector } from './namespaces.ts'
import { BaseURL, DomainName } from './network.ts'
import { listMap, valuesOnce } from './rule.ts'

/** The tenant of every namespace that no AITenant names. An AITenant of this name sets its limits. */
export const DEFAULT_TENANT = 'default'

const limited = {
  budget: BudgetSpec.optional().describe('What may be spent.'),
  rateLimit: RateLimitSpec.optional().describe('How much may be called.'),
}

const Team = z.strictObject({ name: SubjectName.describe('The name of the team, as keys write it.'), ...limited })

const User = z.strictObject({
  name: SubjectName.describe('The name of the user, as keys write it.'),
  team: SubjectName.optional().describe('The team that the user belongs to.'),
  ...limited,
})

const TLS = z.strictObject({
  issuerRef: IssuerRef.optional().describe('Who issues the certificate; one of the issuers that the AIGateway allows.'),
  secretName: ObjectName.optional().describe(
    'The Secret of the certificate, in the namespace of the gateway. A name is made when absent.',
  ),
  clientAuth: later(
    z
      .strictObject({
        mode: z.enum(['None', 'Optional', 'Required']).describe('Whether callers show a certificate of their own.'),
        caRef: z
          .strictObject({
            kind: z.enum(['Secret', 'ConfigMap']).describe('The kind of the object.'),
            name: ObjectName.describe('Its name, in the namespace of the gateway.'),
          })
          .optional()
          .describe('Who vouches for the certificates of callers.'),
      })
      .describe('Certificates of callers. Not served yet.'),
  ),
})

const SSOGroup = z.strictObject({
  provider: SubjectName.describe('The identity provider.'),
  groupId: SubjectName.describe('The group there.'),
  team: SubjectName.optional().describe('The team that members belong to.'),
  role: z
    .enum(['proxy_admin', 'org_admin', 'proxy_admin_viewer', 'internal_user'])
    .describe('What members may do on admin routes.'),
})

const laterFields = {
  users: later(
    z
      .array(User)
      .max(512)
      .check(listMap(['name'], 'user names are unique in a tenant'))
      .describe('Users with limits of their own. Not served yet.'),
  ),
  sso: later(
    z
      .array(SSOGroup)
      .max(64)
      .check(listMap(['provider', 'groupId'], 'name a group once'))
      .describe('Groups of an identity provider and what their members may do. Not served yet.'),
  ),
  passThroughKeys: later(
    z
      .strictObject({
        virtualKey: z
          .strictObject({
            namespace: Label.describe('The namespace of the VirtualKey.'),
            name: ObjectName.describe('The name of the VirtualKey.'),
          })
          .describe('The key whose budget and policies hold for such calls.'),
      })
      .describe("Lets callers bring a provider's key of their own. Not served yet."),
  ),
  storeInboundKeys: later(z.boolean().describe('Keep the provider keys that callers bring. Not served yet.')),
  retention: later(
    z
      .strictObject({
        records: duration('1h', '87600h').optional().describe('How long audit records are kept.'),
        content: duration('1h', '87600h').optional().describe('How long the texts of calls are kept.'),
      })
      .describe('How long records are kept. Not served yet.'),
  ),
  alerts: later(
    z
      .array(
        z.strictObject({
          name: Label.describe('The name of the alert.'),
          event: z
            .enum(['BudgetThreshold', 'BudgetExhausted', 'ProviderDown', 'PolicyViolation'])
            .describe('What is told.'),
          webhookURL: BaseURL.describe('Where it is sent.'),
        }),
      )
      .max(32)
      .check(listMap(['name'], 'alert names are unique in a tenant'))
      .describe('Who is told of what. Not served yet.'),
  ),
  carbonRegion: later(
    z
      .string()
      .max(32)
      .regex(/^[A-Za-z0-9-]+$/, { error: 'must be the name of a region, like DE or us-east-1' })
      .describe('The region whose electricity counts in carbon figures. Not served yet.'),
  ),
}

const spec = z.strictObject({
  gatewayRef: z
    .strictObject({
      name: ObjectName.describe('The name of the AIGateway.'),
      namespace: Label.describe('The namespace of the AIGateway.'),
    })
    .optional()
    .describe('The AIGateway that serves this tenant; the only one of the installation when absent.'),
  namespaces: z
    .strictObject({
      names: listOf(Label, 64).describe('Namespaces by name.'),
      selector: LabelSelector.optional().describe('Namespaces by their labels, besides those named.'),
    })
    .prefault({})
    .describe('The namespaces whose objects belong to the tenant. A namespace belongs to one tenant at most.'),
  hostnames: z
    .array(DomainName)
    .max(16)
    .check(valuesOnce())
    .default([])
    .describe("Host names of the tenant, under the domains of the AIGateway's exposure."),
  tls: TLS.optional().describe('The certificate of the host names.'),
  limits: z
    .strictObject({
      budget: BudgetSpec.optional().describe('What all keys of the tenant may spend together.'),
      ...rateLimitFields,
      maxVirtualKeys: z.int().min(0).max(100_000).optional().describe('The most VirtualKeys that are served.'),
    })
    .optional()
    .describe('What all keys of the tenant may use together.'),
  teams: z
    .array(Team)
    .max(256)
    .check(listMap(['name'], 'team names are unique in a tenant'))
    .default([])
    .describe('Teams with limits of their own.'),
  adminNamespaces: listOf(Label, 16).describe('Namespaces of the tenant that may hold keys of role OrgAdmin.'),
  exposeManagement: z.boolean().default(false).describe("Serve the management API on the tenant's host names too."),
  suspend: z.boolean().default(false).describe('Refuse every call of the tenant.'),
  ...laterFields,
})

/** `adminNamespaces` are those of its namespaces that may hold OrgAdmin keys. */
export const AITenant = clusterKind('AITenant', spec)
export type AITenant = z.infer<typeof AITenant>
