// How each kind presents itself to Kubernetes: names, scope, columns of `kubectl get`, status.
import type { z } from 'zod'
import type { Kind } from './resource.ts'
import {
  AIGatewayStatus,
  AITenantStatus,
  CommonStatus,
  McpServerStatus,
  PolicyStatus,
  VirtualKeyStatus,
} from './status.ts'

/** A column of `kubectl get`; those of priority 1 only with `-o wide`. */
export interface Column {
  readonly name: string
  readonly type: 'string' | 'integer' | 'boolean' | 'date'
  readonly jsonPath: string
  readonly priority?: 1
}

/** One kind. `selectableFields` are paths that `--field-selector` takes. */
export interface Definition {
  readonly plural: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly scope: 'Namespaced' | 'Cluster'
  readonly description: string
  readonly columns: readonly Column[]
  readonly selectableFields: readonly string[]
  readonly status: z.ZodObject
}

const column = (name: string, jsonPath: string, type: Column['type'] = 'string'): Column => ({ name, type, jsonPath })
const condition = (type: string): Column => column(type, `.status.conditions[?(@.type=="${type}")].status`)
const AGE = column('Age', '.metadata.creationTimestamp', 'date')
const WHY: Column = { ...column('Why', '.status.conditions[?(@.type=="Ready")].message'), priority: 1 }
const ENDS = [WHY, AGE]

/** Category that lists all kinds: `kubectl get aigw -A`. */
export const CATEGORY = 'aigw'

/** The kinds by name. */
export const DEFINITIONS = {
  AIGateway: {
    plural: 'aigateways',
    singular: 'aigateway',
    shortNames: [],
    scope: 'Namespaced',
    description: 'AIGateway says what holds for a whole gateway: its store, its pods, its host names, its defaults.',
    columns: [
      condition('Ready'),
      condition('Programmed'),
      column('Generation', '.status.config.generation', 'integer'),
      column('Pods', '.status.dataPlane.ready', 'integer'),
      column('Current', '.status.dataPlane.current', 'integer'),
      column('Tenants', '.status.tenants', 'integer'),
      ...ENDS,
    ],
    selectableFields: [],
    status: AIGatewayStatus,
  },
  AITenant: {
    plural: 'aitenants',
    singular: 'aitenant',
    shortNames: ['aiten'],
    scope: 'Cluster',
    description:
      'AITenant says which namespaces belong together, under which host names, and what they may use in all.',
    columns: [
      condition('Ready'),
      column('Gateway', '.spec.gatewayRef.name'),
      column('Hosts', '.spec.hostnames'),
      column('Cert-Expires', '.status.certificate.notAfter'),
      column('Keys', '.status.keys', 'integer'),
      ...ENDS,
    ],
    selectableFields: [],
    status: AITenantStatus,
  },
  AIProvider: {
    plural: 'aiproviders',
    singular: 'aiprovider',
    shortNames: ['aiprov'],
    scope: 'Namespaced',
    description: 'AIProvider is an upstream that has models, with the credential of the gateway there.',
    columns: [
      column('Preset', '.spec.preset'),
      condition('Accepted'),
      condition('Programmed'),
      condition('Ready'),
      ...ENDS,
    ],
    selectableFields: ['.spec.preset'],
    status: CommonStatus,
  },
  VirtualKey: {
    plural: 'virtualkeys',
    singular: 'virtualkey',
    shortNames: ['vk'],
    scope: 'Namespaced',
    description: 'VirtualKey is what an application calls the gateway with. Its token is in a Secret.',
    columns: [
      column('Alias', '.spec.alias'),
      condition('Ready'),
      column('Budget', '.spec.budget.amountUSD'),
      column('Spent', '.status.usage.spentUSD'),
      column('Expires', '.spec.expiresAt'),
      { ...column('Role', '.spec.role'), priority: 1 },
      ...ENDS,
    ],
    selectableFields: ['.spec.alias', '.spec.owner.name'],
    status: VirtualKeyStatus,
  },
  FallbackChain: {
    plural: 'fallbackchains',
    singular: 'fallbackchain',
    shortNames: ['fbc'],
    scope: 'Namespaced',
    description: 'FallbackChain says where calls for some models go, target after target until one answers.',
    columns: [
      column('Strategy', '.spec.strategy'),
      column('Models', '.spec.models'),
      condition('Accepted'),
      condition('Programmed'),
      condition('Ready'),
      ...ENDS,
    ],
    selectableFields: ['.spec.strategy'],
    status: CommonStatus,
  },
  Policy: {
    plural: 'policies',
    singular: 'policy',
    shortNames: ['aipol'],
    scope: 'Namespaced',
    description: 'Policy says what holds for the calls of some teams, keys, models or tags: guardrails, cache, audit.',
    columns: [
      condition('Accepted'),
      condition('Programmed'),
      condition('Ready'),
      column('Priority', '.spec.priority', 'integer'),
      column('Guardrails', '.status.effectiveGuardrails', 'integer'),
      ...ENDS,
    ],
    selectableFields: [],
    status: PolicyStatus,
  },
  McpServer: {
    plural: 'mcpservers',
    singular: 'mcpserver',
    shortNames: ['aimcp'],
    scope: 'Namespaced',
    description: 'McpServer is a server of tools that callers reach through the gateway. Not served yet.',
    columns: [
      column('Transport', '.spec.transport'),
      column('URL', '.spec.url'),
      column('Tools', '.status.tools.count', 'integer'),
      condition('Ready'),
      ...ENDS,
    ],
    selectableFields: ['.spec.alias'],
    status: McpServerStatus,
  },
  Agent: {
    plural: 'agents',
    singular: 'agent',
    shortNames: ['aiagent'],
    scope: 'Namespaced',
    description: 'Agent is an agent that others call through the gateway. Not served yet.',
    columns: [
      column('Type', '.spec.type'),
      column('Model', '.spec.model.name'),
      column('Streaming', '.spec.card.streaming', 'boolean'),
      condition('Ready'),
      column('URL', '.spec.remote.url'),
      ...ENDS,
    ],
    selectableFields: ['.spec.type'],
    status: CommonStatus,
  },
} as const satisfies Readonly<Record<Kind, Definition>>
