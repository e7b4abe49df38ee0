// The world of a pipeline test: resources as YAML, memory stores, a scripted provider. Used by tests only.
import { compile } from '@smartflow/core/compile/compile'
import type { Compiled, PolicyItem } from '@smartflow/core/snapshot/items'
import { Keyring } from '@smartflow/core/snapshot/keyring'
import { snapshotData } from '@smartflow/core/snapshot/snapshot-data'
import { buildView, type Snapshot } from '@smartflow/core/snapshot/view'
import { readDocuments } from '@smartflow/core/yaml/document'
import { present } from './exchange/credential.ts'
import type { CallHeaders } from './exchange/call.ts'
import type { Reply } from './exchange/reply.ts'
import type { CallRoute } from './exchange/route.ts'
import type { Received } from './exchange/stage.ts'
import { of } from './exchange/streams.ts'
import { readChat } from './llm/formats/openai-chat/read.ts'
import { prices } from './llm/prices.ts'
import { resolver } from './llm/resolver.ts'
import { llmUpstream } from './llm/upstream.ts'
import { pipeline } from './pipeline.ts'
import type { AuditContent, AuditRecord } from './ports/audit-log.ts'
import type { CacheCounters } from './ports/cache-stats.ts'
import type { EgressReply, EgressRequest } from './ports/egress.ts'
import type { Gateway } from './ports/gateway.ts'
import type { Guardrails } from './ports/guardrails.ts'
import type { Ledger } from './ports/ledger.ts'
import { MemoryLedger } from './stores/memory/ledger.ts'
import { MemoryResponseCache } from './stores/memory/response-cache.ts'

/** The token of the VirtualKey `app` in these worlds. */
export const TOKEN = `sk-sf-${'a'.repeat(48)}`

/** Answers a request to the provider. */
export type Answer = (request: EgressRequest) => EgressReply | Promise<EgressReply>

/** One world. */
export interface TestWorld {
  readonly gateway: Gateway
  readonly snapshot: Snapshot
  /** Requests that reached the provider. */
  readonly sent: EgressRequest[]
  readonly records: AuditRecord[]
  readonly contents: (AuditContent | undefined)[]
  readonly counters: Partial<Record<keyof CacheCounters, number>>
  /** What the provider answers from now on. */
  answer: Answer
  /** Sends a chat call through the pipeline. */
  call(
    body: object,
    options?: { headers?: CallHeaders; signal?: AbortSignal; token?: string; read?: CallRoute['read'] },
  ): Promise<{ reply: Reply; exchange: Received }>
  /** The same, read to its end. */
  text(body: object, options?: { headers?: CallHeaders }): Promise<string>
}

const BASE = `
apiVersion: v1
kind: Secret
metadata: { name: app-key }
stringData: { token: ${TOKEN} }
---
apiVersion: v1
kind: Secret
metadata: { name: provider }
stringData: { apiKey: upstream-secret }
---
apiVersion: smartflow.dev/v1alpha1
kind: AIProvider
metadata: { name: mock }
spec:
  preset: openai
  baseURL: https://provider.test/v1
  auth: { secretRef: { name: provider } }
  pricing: [{ model: gpt-test, inputPerMillionUSD: '1', outputPerMillionUSD: '2', maxOutputTokens: 1000 }]
`

const KEY = `
apiVersion: smartflow.dev/v1alpha1
kind: VirtualKey
metadata: { name: app }
spec: { alias: app }
`

/** What a world has instead of the common. */
export interface WorldOptions {
  readonly ledger?: Ledger
  /** Finds nothing unless given. */
  readonly guardrails?: Guardrails
  /** Compiled policies beside those of the resources; they concern everybody unless they say more. */
  readonly policies?: readonly (Partial<PolicyItem> & { readonly name: string })[]
}

/** Builds a world. `resources` are added to a provider `mock` and, unless they declare their own, a plain key `app`. */
export async function world(resources = '', options: WorldOptions = {}): Promise<TestWorld> {
  const yaml = [BASE, resources.includes('kind: VirtualKey') ? '' : KEY, resources]
    .filter(text => text !== '')
    .join('\n---\n')
  const keyring = Keyring.fromMaster(Buffer.alloc(32, 7))
  const read = readDocuments('test.yaml', yaml)
  if (read.problems.length > 0) throw new Error(JSON.stringify(read.problems))
  const { compiled, statuses } = compile({
    resources: read.resources,
    secrets: new Map(),
    environment: {},
    standalone: true,
    keyring,
  })
  const broken = statuses.filter(({ conditions }) => conditions.some(({ status }) => status === 'False'))
  if (broken.length > 0) throw new Error(JSON.stringify(broken))
  const snapshot = await buildView(snapshotData(withPolicies(compiled, options), 1, 1), { keyring })
  return assemble(snapshot, keyring, options)
}

function withPolicies(compiled: Compiled, { policies = [] }: WorldOptions): Compiled {
  const more = policies.map((policy): PolicyItem => ({
    kind: 'Policy',
    scope: { teams: [], keyAliases: [], models: [], tags: [] },
    priority: 0,
    guardrails: [],
    allowRewriteNative: false,
    holdBack: 4_096,
    ...policy,
  }))
  const tenants = [...compiled.tenants].map(([name, items]) => [name, [...items, ...more]] as const)
  return { ...compiled, tenants: new Map(tenants) }
}

function assemble(snapshot: Snapshot, keyring: Keyring, options: WorldOptions): TestWorld {
  const sent: EgressRequest[] = []
  const records: AuditRecord[] = []
  const contents: (AuditContent | undefined)[] = []
  const counters: Partial<Record<keyof CacheCounters, number>> = {}
  const shared = new MemoryResponseCache({ maxBytes: 1_000_000 })
  const egress = {
    send: async (request: EgressRequest) => {
      sent.push(request)
      return built.answer(request)
    },
    close: async () => {},
  }
  const gateway: Gateway = {
    audit: {
      append: (fold, content) => void (records.push(fold()), contents.push(content)),
      fold: () => undefined,
      list: async () => [],
      get: async () => undefined,
      health: () => ({ up: true, spooled: 0, lost: 0, strangersLost: 0, uncovered: 0 }),
      drain: async () => {},
    },
    ledger: options.ledger ?? new MemoryLedger(),
    memoryCache: new MemoryResponseCache({ maxBytes: 1_000_000 }),
    redisCache: shared,
    cacheStats: {
      add: (_tenant, added) => {
        for (const [name, count] of Object.entries(added))
          counters[name as keyof CacheCounters] = (counters[name as keyof CacheCounters] ?? 0) + count
      },
      read: () => Promise.reject(new Error('not here')),
    },
    sealer: keyring,
    prices,
    resolver,
    guardrails: options.guardrails ?? { inspector: () => ({ find: () => [], open: text => text.length }) },
    upstream: llmUpstream({ egress, demo: undefined, tokens: { count: text => Math.ceil(text.length / 4) } }),
    observe: () => {},
    now: Date.now,
    pause: async () => {},
    random: () => 0.5,
  }
  const handle = pipeline(gateway)
  let calls = 0
  const built: TestWorld = {
    gateway,
    snapshot,
    sent,
    records,
    contents,
    counters,
    answer: () => completion('Hello!'),
    async call(body, { headers = {}, signal = new AbortController().signal, token = TOKEN, read = readChat } = {}) {
      const call = read(
        Buffer.from(JSON.stringify({ model: 'gpt-test', messages: [{ role: 'user', content: 'hi' }], ...body })),
        headers,
        '',
      )
      const presented = present(snapshot, { authorization: `Bearer ${token}` })
      const exchange: Received = {
        id: `call-${++calls}`,
        call,
        presented,
        snapshot,
        trace: [],
        signal,
        receivedAt: Date.now(),
        startedAt: performance.now(),
      }
      return { reply: await handle(exchange), exchange }
    },
    async text(body, options = {}) {
      const { reply } = await built.call(body, options)
      return drain(reply)
    },
  }
  return built
}

/** Reads a reply to its end. */
export async function drain({ frames }: Reply): Promise<string> {
  const parts: Buffer[] = []
  for (let result = await frames.next(); result.done !== true; result = await frames.next())
    parts.push(result.value.bytes)
  return Buffer.concat(parts).toString()
}

/** A provider's whole answer. */
export function completion(
  content: string,
  more: { usage?: object; finish?: string; message?: object } = {},
): EgressReply {
  const body = {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-test-2026',
    choices: [
      { index: 0, message: { role: 'assistant', content, ...more.message }, finish_reason: more.finish ?? 'stop' },
    ],
    usage: more.usage ?? { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 },
  }
  return answered(200, JSON.stringify(body))
}

/** A provider's stream. */
export function events(...texts: string[]): EgressReply {
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    chunks: of(...texts.map(text => Buffer.from(text))),
  }
}

/** Any answer. */
export function answered(status: number, body: string, headers: Record<string, string> = {}): EgressReply {
  return { status, headers: { 'content-type': 'application/json', ...headers }, chunks: of(Buffer.from(body)) }
}
