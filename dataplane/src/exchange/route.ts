// What a protocol folder and manage/ offer to server/: routes, without any HTTP server in them.
import type { Snapshot } from '@smartflow/core/snapshot/view'
import type { Call, CallHeaders } from './call.ts'
import type { Dialect } from './dialect.ts'
import type { ReplyHeaders } from './reply.ts'
import type { Presented } from './stage.ts'

/** The gateway's listeners; each on a port of its own, or all on the proxy's. */
export type ListenerName = 'proxy' | 'management' | 'metrics'

/**
 * Who may call: `public` anybody; `key` any usable key; `tenant-admin` OrgAdmin and above; `gateway-admin` ProxyAdmin and
 * ProxyAdminViewer. A route without a listed access does not exist: admin routes are refused by default.
 */
export type Access = 'public' | 'key' | 'tenant-admin' | 'gateway-admin'

/** A request to one of our own APIs. */
export interface ApiRequest {
  readonly id: string
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly headers: CallHeaders
  readonly snapshot: Snapshot | undefined
  /** Set unless the route is public. */
  readonly presented: Presented | undefined
  readonly signal: AbortSignal
}

/** An answer of our own APIs: an object is sent as JSON, a string as it is. */
export interface Answer {
  readonly status: number
  readonly body: object | string
  readonly headers?: ReplyHeaders
}

/** A route of our own APIs. Path segments that begin with `:` are parameters. */
export interface ApiRoute {
  readonly kind: 'api'
  readonly listeners: readonly ListenerName[]
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly access: Access
  answer(request: ApiRequest): Promise<Answer> | Answer
}

/** A route whose requests are calls: they go through the pipeline. */
export interface CallRoute {
  readonly kind: 'call'
  readonly listeners: readonly ListenerName[]
  readonly method: 'POST'
  readonly path: string
  readonly dialect: Dialect
  /** `query` without its "?". Throws `body_invalid` and `request_invalid` Refusals. */
  read(body: Buffer, headers: CallHeaders, query: string): Call
}

export type Route = ApiRoute | CallRoute
