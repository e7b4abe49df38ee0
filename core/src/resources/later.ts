// What the resource API names but this release does not serve yet. Refused by name, so that nobody believes a setting
// is in force.

/** Kinds that come later. */
export const LATER_KINDS: ReadonlySet<string> = new Set(['McpServer', 'Agent'])

/** Fields that come later, by kind, as paths with `[]` for a list's entries. */
const LATER_FIELDS: Readonly<Record<string, readonly string[]>> = {
  VirtualKey: [
    'spec.mcpServers',
    'spec.agents',
    'spec.rotation',
    'spec.allowedCIDRs',
    'spec.deletionPolicy',
    'spec.budget.timeZone',
    'spec.budget.softLimitPercent',
  ],
  AIProvider: [
    'spec.strict',
    'spec.auth.type',
    'spec.auth.header',
    'spec.auth.passthrough',
    'spec.dailyBudget',
    'spec.limits',
    'spec.health',
    'spec.tls',
    'spec.allowedNamespaces',
  ],
  AITenant: [
    'spec.gatewayRef',
    'spec.namespaces.selector',
    'spec.hostnames',
    'spec.tls',
    'spec.limits.maxVirtualKeys',
    'spec.sso',
    'spec.users',
    'spec.passThroughKeys',
    'spec.storeInboundKeys',
    'spec.retention',
    'spec.alerts',
    'spec.carbonRegion',
    'spec.exposeManagement',
  ],
  AIGateway: [
    'spec.configStore',
    'spec.cacheStore',
    'spec.dataPlane',
    'spec.allowedNamespaces',
    'spec.exposure',
    'spec.staleness',
    'spec.managementAPI',
    'spec.sinks',
    'spec.egress',
    'spec.trustedProxies',
    'spec.telemetry',
    'spec.embedder',
    'spec.defaults.cache',
  ],
  FallbackChain: [
    'spec.when',
    'spec.hedge',
    'spec.sticky',
    'spec.mirror',
    'spec.canary',
    'spec.midStream',
    'spec.nonRetryable',
    'spec.targets[].weight',
    'spec.targets[].priority',
    'spec.targets[].when',
    'spec.targets[].providerRef.namespace',
  ],
  Policy: [
    'spec.targetRefs',
    'spec.parentRef',
    'spec.guardrails[].thresholdPercent',
    'spec.guardrails[].documentRef',
    'spec.guardrails[].judgeRef',
    'spec.guardrails[].budget',
    'spec.compression',
    'spec.promptCache',
    'spec.replay',
    'spec.cache.phases',
    'spec.cache.shadow',
  ],
}

/** Values of served fields that come later. */
const LATER_VALUES: Readonly<Record<string, readonly string[]>> = {
  // Formats that are called like the providers who made them; no code branches on these names.
  'AIProvider spec.format': ['OpenAIResponses', 'Gemini', 'BedrockConverse', 'Cohere'],
  'FallbackChain spec.strategy': ['Weighted', 'RoundRobin', 'LeastConnections', 'Random', 'Latency', 'Cost', 'Tag'],
  'Policy spec.audit.content': ['Hash', 'Redact'],
  'Policy spec.guardrails[].type': ['Toxicity', 'PromptInjection', 'Compliance', 'Custom'],
  'Policy spec.guardrails[].action': ['Review'],
}

/** True when the field at this path (entries of lists as `[]`) comes in a later release. */
export function isLaterField(kind: string, path: string): boolean {
  return LATER_FIELDS[kind]?.includes(path) ?? false
}

/** True when the value comes in a later release although its field is served. */
export function isLaterValue(kind: string, path: string, value: unknown): boolean {
  return typeof value === 'string' && (LATER_VALUES[`${kind} ${path}`]?.includes(value) ?? false)
}
