// Kind McpServer: tools that callers reach through the gateway. Declared already, served by a later release.
import { z } from 'zod'
import {
  DataKey,
  duration,
  listOf,
  namespacedKind,
  ObjectName,
  Pattern,
  secretKeyRef,
  SubjectName,
  USD,
} from './metadata.ts'
import { AllowedNamespaces } from './namespaces.ts'
import { BaseURL, endpointRules } from './network.ts'
import { immutable, listMap, rule } from './rule.ts'
import { Alias } from './virtual-key.ts'

/** The name of a tool of an MCP server. */
export const ToolName = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9_./-]+$/, { error: 'must be the name of a tool: letters, digits or any of _ . / -' })

const HeaderName = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9-]+$/, { error: 'must be the name of a header' })

/** How the gateway proves itself to a server or agent. */
export const RemoteAuth = z
  .strictObject({
    type: z
      .enum(['None', 'APIKey', 'Basic', 'OAuthClientCredentials', 'OAuthPKCE', 'MTLS'])
      .default('None')
      .describe('How the gateway proves itself.'),
    secretRef: secretKeyRef('token').optional().describe('The Secret entry with the credential.'),
    header: HeaderName.optional().describe('The header that carries an API key.'),
    tokenURL: BaseURL.optional().describe('Where OAuth tokens come from.'),
    scopes: listOf(z.string().min(1).max(256), 32).describe('What OAuth tokens are for.'),
  })
  .check(
    rule(
      {
        cel: "self.type in ['None', 'OAuthPKCE'] || has(self.secretRef)",
        message: 'is missing; name the Secret with the credential',
        path: ['secretRef'],
        reason: 'FieldValueRequired',
      },
      ({ type, secretRef }) => type === 'None' || type === 'OAuthPKCE' || secretRef !== undefined,
    ),
  )

/** How deep calls may nest, and how many one call may cause. */
export const CallLimits = z.strictObject({
  depth: z.int().min(1).max(32).optional().describe('How deep calls may nest.'),
  calls: z.int().min(1).max(10_000).optional().describe('How many calls one call may cause.'),
})

const Stdio = z
  .strictObject({
    image: z.string().min(1).max(512).optional().describe('The container image of the server.'),
    command: z.string().min(1).max(512).optional().describe('The program, where there is no image.'),
    args: listOf(z.string().max(1_024), 64).describe('Its arguments.'),
    env: z
      .array(
        z.strictObject({
          name: z
            .string()
            .max(128)
            .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'must be the name of a variable' })
            .describe('The name of the variable.'),
          value: z.string().max(4_096).optional().describe('Its value.'),
          secretRef: z
            .strictObject({ name: ObjectName.describe('The Secret.'), key: DataKey.describe('Which entry of it.') })
            .optional()
            .describe('A Secret entry with its value.'),
        }),
      )
      .max(64)
      .check(listMap(['name'], 'name a variable once'))
      .default([])
      .describe('Its environment.'),
  })
  .check(
    rule(
      { cel: 'has(self.image) != has(self.command)', message: 'must have either image or command' },
      ({ image, command }) => (image === undefined) !== (command === undefined),
    ),
  )

const Tools = z
  .strictObject({
    allow: z.array(ToolName).max(256).optional().describe('Tools that may be called; all when absent.'),
    deny: listOf(ToolName, 256).describe('Tools that may not be called, even when allowed.'),
    params: z
      .array(
        z.strictObject({
          tool: ToolName.describe('The tool.'),
          allow: z.array(z.string().min(1).max(128)).max(64).describe('The parameters that callers may give.'),
        }),
      )
      .max(256)
      .check(listMap(['tool'], 'name a tool once'))
      .default([])
      .describe('Which parameters callers may give to a tool.'),
  })
  .prefault({})

const spec = z
  .strictObject({
    alias: Alias.check(immutable('it is part of the address; make a new McpServer instead')).describe(
      'The part of the address that names the server. It cannot be changed.',
    ),
    transport: z
      .enum(['StreamableHTTP', 'SSE', 'Stdio'])
      .default('StreamableHTTP')
      .describe('How the server is spoken to.'),
    url: BaseURL.optional().describe('Where the server is, for the transports over HTTP.'),
    stdio: Stdio.optional().describe('How the server is started, for transport Stdio.'),
    auth: RemoteAuth.prefault({}).describe('How the gateway proves itself to the server.'),
    tools: Tools.describe('Which tools may be called.'),
    requireApproval: listOf(ToolName, 256).describe('Tools whose calls a person approves first.'),
    groups: z
      .strictObject({
        allow: listOf(SubjectName, 64).describe('Groups that may use the server; everybody when empty.'),
        deny: listOf(SubjectName, 64).describe('Groups that may not, even when allowed.'),
      })
      .prefault({})
      .describe('Who may use the server.'),
    public: z.boolean().default(false).describe('Whether clients from outside the private network may use it.'),
    guardrailMode: z
      .enum(['PreCall', 'DuringCall', 'Disabled'])
      .default('PreCall')
      .describe('When policies look at a call of a tool.'),
    forwardHeaders: listOf(HeaderName, 32).describe('Headers of the caller that are passed on.'),
    cost: z
      .strictObject({
        perCallUSD: USD.optional().describe('Dollars for a call of any tool.'),
        perTool: z
          .array(
            z.strictObject({ tool: ToolName.describe('The tool.'), perCallUSD: USD.describe('Dollars for a call.') }),
          )
          .max(256)
          .check(listMap(['tool'], 'name a tool once'))
          .default([])
          .describe('Dollars for calls of some tools.'),
      })
      .optional()
      .describe('What calls cost in budgets.'),
    cache: z
      .strictObject({
        ttl: duration('1s', '720h').describe('How long a result is kept.'),
        tools: listOf(Pattern, 256).describe('Tools whose results are cached.'),
      })
      .optional()
      .describe('Which results are cached.'),
    timeout: duration('100ms', '1h').default('60s').describe('How long a call may take.'),
    limits: CallLimits.optional().describe('How calls may nest.'),
    pins: z
      .array(
        z.strictObject({
          tool: ToolName.describe('The tool.'),
          digest: z
            .string()
            .max(71)
            .regex(/^sha256:[0-9a-f]{64}$/, { error: 'must be sha256: and 64 hexadecimal digits' })
            .describe('The digest of its description that was approved.'),
        }),
      )
      .max(256)
      .check(listMap(['tool'], 'name a tool once'))
      .default([])
      .describe('Descriptions of tools that were approved; a tool that changed is not offered.'),
    allowPrivateEndpoint: z.boolean().default(false).describe('Allow http, and addresses inside your network.'),
    allowedNamespaces: AllowedNamespaces.optional().describe('Namespaces whose objects may refer to this server.'),
  })
  .check(
    rule(
      {
        cel: "(self.transport == 'Stdio') == has(self.stdio) && (self.transport != 'Stdio') == has(self.url)",
        message: 'must be Stdio with stdio, or one over HTTP with url; keep one of stdio and url',
        path: ['transport'],
      },
      ({ transport, stdio, url }) =>
        (transport === 'Stdio') === (stdio !== undefined) && (transport !== 'Stdio') === (url !== undefined),
    ),
    rule(
      {
        cel: '!has(self.tools.allow) || self.requireApproval.all(tool, tool in self.tools.allow)',
        message: 'names a tool that tools.allow does not',
        path: ['requireApproval'],
      },
      ({ tools, requireApproval }) => requireApproval.every(tool => tools.allow?.includes(tool) ?? true),
    ),
    ...endpointRules<{ url?: string | undefined; allowPrivateEndpoint: boolean }>('url', server => server.url),
  )

/** Not served yet: an object is accepted, and its status says so. */
export const McpServer = namespacedKind('McpServer', spec)
export type McpServer = z.infer<typeof McpServer>
