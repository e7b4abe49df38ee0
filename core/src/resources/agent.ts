// Kind Agent: an agent that others call through the gateway. Declared already, served by a later release.
import { z } from 'zod'
import { CallLimits, RemoteAuth, ToolName } from './mcp-server.ts'
import { DataKey, duration, listOf, LocalRef, ModelName, namespacedKind, ObjectName, Pattern, Tag } from './metadata.ts'
import { BaseURL, endpointRules } from './network.ts'
import { listMap, rule } from './rule.ts'

const DataRef = z.strictObject({
  name: ObjectName.describe('The name of the object, in this namespace.'),
  key: DataKey.describe('Which entry of it.'),
})

const Model = z
  .strictObject({
    name: ModelName.optional().describe('The model that the agent thinks with.'),
    providerRef: LocalRef.optional().describe('The AIProvider of the model.'),
    fallbackChainRef: LocalRef.optional().describe('The FallbackChain of the model.'),
    systemPrompt: z.string().max(32_768).optional().describe('What the agent is told before everything else.'),
    systemPromptFrom: z
      .strictObject({
        configMapKeyRef: DataRef.optional().describe('A ConfigMap entry with the prompt.'),
        secretKeyRef: DataRef.optional().describe('A Secret entry with the prompt.'),
      })
      .check(
        rule(
          {
            cel: 'has(self.configMapKeyRef) != has(self.secretKeyRef)',
            message: 'must have either configMapKeyRef or secretKeyRef',
          },
          from => (from.configMapKeyRef === undefined) !== (from.secretKeyRef === undefined),
        ),
      )
      .optional()
      .describe('Where the system prompt is, if not here.'),
    temperaturePercent: z.int().min(0).max(200).optional().describe('The temperature in percent: 70 means 0.7.'),
  })
  .check(
    rule(
      {
        cel: '!(has(self.providerRef) && has(self.fallbackChainRef))',
        message: 'stands beside providerRef; keep one of the two',
        path: ['fallbackChainRef'],
      },
      model => model.providerRef === undefined || model.fallbackChainRef === undefined,
    ),
    rule(
      {
        cel: '!(has(self.systemPrompt) && has(self.systemPromptFrom))',
        message: 'stands beside systemPrompt; keep one of the two',
        path: ['systemPromptFrom'],
      },
      model => model.systemPrompt === undefined || model.systemPromptFrom === undefined,
    ),
  )

const Remote = z
  .strictObject({
    url: BaseURL.describe('Where the agent is.'),
    auth: RemoteAuth.prefault({}).describe('How the gateway proves itself to the agent.'),
    allowPrivateEndpoint: z.boolean().default(false).describe('Allow http, and addresses inside your network.'),
    pins: listOf(
      z
        .string()
        .max(71)
        .regex(/^sha256:[0-9a-f]{64}$/, { error: 'must be sha256: and 64 hexadecimal digits' }),
      16,
    ).describe('Digests of cards of the agent that were approved.'),
  })
  .check(...endpointRules<{ url: string; allowPrivateEndpoint: boolean }>('url', remote => remote.url))

const Skill = z.strictObject({
  id: Tag.describe('The id of the skill.'),
  name: z.string().min(1).max(128).describe('Its name.'),
  description: z.string().max(1_024).optional().describe('What the agent can do with it.'),
  tags: listOf(Tag, 32).describe('Its tags.'),
  examples: listOf(z.string().min(1).max(1_024), 16).describe('What one may ask.'),
})

const Card = z
  .strictObject({
    displayName: z.string().min(1).max(128).optional().describe('The name of the agent for people.'),
    description: z.string().max(4_096).optional().describe('What the agent does.'),
    version: z.string().min(1).max(64).optional().describe('The version of the agent.'),
    provider: z
      .strictObject({
        organization: z.string().min(1).max(256).describe('Who offers the agent.'),
        url: z.string().max(2_048).optional().describe('Their page.'),
      })
      .optional()
      .describe('Who offers the agent.'),
    skills: z
      .array(Skill)
      .max(64)
      .check(listMap(['id'], 'skill ids are unique in an agent'))
      .default([])
      .describe('What the agent can do.'),
    streaming: z.boolean().default(true).describe('Whether the agent answers in pieces.'),
    securitySchemes: listOf(z.enum(['Bearer', 'APIKey', 'OAuth2', 'MTLS']), 4).describe(
      'How callers prove themselves.',
    ),
  })
  .prefault({})

const spec = z
  .strictObject({
    type: z.enum(['Model', 'Remote']).describe('Model: the gateway runs it. Remote: it runs elsewhere.'),
    model: Model.optional().describe('The agent itself, for type Model.'),
    remote: Remote.optional().describe('Where the agent is, for type Remote.'),
    tools: z
      .array(
        z.strictObject({
          mcpServerRef: LocalRef.describe('The McpServer that has the tools.'),
          toolNames: listOf(ToolName, 256).describe('The tools that the agent may call; all when empty.'),
          requireApproval: listOf(ToolName, 256).describe('Tools whose calls a person approves first.'),
        }),
      )
      .max(32)
      .default([])
      .describe('Tools of the agent.'),
    card: Card.describe('How the agent presents itself.'),
    tasks: z
      .strictObject({
        ttl: duration('1m', '8760h').default('24h').describe('How long tasks are kept.'),
        historyLength: z.int().min(0).max(1_000).default(100).describe('How many messages of a task are kept.'),
      })
      .prefault({})
      .describe('Tasks of the agent.'),
    callers: z
      .strictObject({
        virtualKeys: listOf(Pattern, 128).describe('Aliases of VirtualKeys that may call; all when empty.'),
        agents: listOf(Pattern, 128).describe('Agents that may call; all when empty.'),
      })
      .prefault({})
      .describe('Who may call the agent.'),
    limits: CallLimits.optional().describe('How calls may nest.'),
  })
  .check(
    rule(
      {
        cel: "(self.type == 'Model') == has(self.model) && (self.type == 'Remote') == has(self.remote)",
        message: 'must be Model with model, or Remote with remote; keep one of the two',
        path: ['type'],
      },
      ({ type, model, remote }) =>
        (type === 'Model') === (model !== undefined) && (type === 'Remote') === (remote !== undefined),
    ),
  )

/** Not served yet: an object is accepted, and its status says so. */
export const Agent = namespacedKind('Agent', spec)
export type Agent = z.infer<typeof Agent>
