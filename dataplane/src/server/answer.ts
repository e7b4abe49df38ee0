// One request from its first byte to the last of its answer.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { KeyItem } from '@smartflow/core/snapshot/items'
import type { Snapshot } from '@smartflow/core/snapshot/view'
import { present, refuseUnusable } from '../exchange/credential.ts'
import type { Access, ApiRoute, CallRoute } from '../exchange/route.ts'
import { asRefusal, Refusal } from '../exchange/refusal.ts'
import type { Handler, Presented, Received } from '../exchange/stage.ts'
import type { SnapshotSource } from '../ports/snapshot-source.ts'
import { Unavailable } from '../ports/unavailable.ts'
import { readBody } from './body.ts'
import { plainDialect } from './plain-dialect.ts'
import { requestId } from './request-id.ts'
import type { Match, Router } from './router.ts'
import { sendBytes, sendRefusal, sendReply } from './send.ts'

/** A call that was refused before the pipeline: bad body, unknown key. It is on record all the same. */
export interface DoorRefusal {
  readonly id: string
  readonly receivedAt: number
  readonly presented: Presented | undefined
  readonly refusal: Refusal
}

/** What the server needs of the rest. */
export interface Door {
  readonly snapshots: SnapshotSource
  readonly calls: Handler<Received>
  /** Milliseconds that slow senders of headers and bodies get; see BodyLimits. */
  readonly patienceMs: number
  refused(refusal: DoorRefusal): void
  /** Errors that are no refusals: for the log, with the request id. */
  failed(error: unknown, id: string): void
}

/** Answers; never rejects. */
export async function answerRequest(
  router: Router,
  door: Door,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const id = requestId()
  let match: Match
  const { path, query } = splitUrl(request.url ?? '/')
  try {
    refuseHostless(request)
    match = router.find(request.method ?? 'GET', path)
  } catch (error) {
    return sendRefusal(response, asRefusal(error), plainDialect, id)
  }
  const { route, params } = match
  if (route.kind === 'call') return answerCall(route, door, { request, response, id, query })
  return answerApi(route, door, { request, response, id, params, query })
}

/** RFC 9112: HTTP/1.1 without a Host is a 400. Nothing here depends on its value. */
function refuseHostless({ headers, httpVersion }: IncomingMessage): void {
  if (headers.host === undefined && httpVersion === '1.1') {
    throw new Refusal('request_invalid', 'This is not a valid HTTP/1.1 request: it has no Host header.')
  }
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly id: string
  /** Without its "?". */
  readonly query: string
}

async function answerCall(route: CallRoute, door: Door, { request, response, id, query }: Exchange): Promise<void> {
  const receivedAt = Date.now()
  const startedAt = performance.now()
  const gone = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  let presented: Presented | undefined
  let inPipeline = false
  try {
    const snapshot = snapshotOf(door)
    presented = present(snapshot, request.headers)
    const bytes = await readBody(request, {
      maxBytes: snapshot.settings.maxBodyBytes,
      patienceMs: door.patienceMs,
      goAhead: () => response.writeContinue(),
    })
    const call = route.read(bytes, request.headers, query)
    inPipeline = true
    const exchange: Received = { id, call, presented, snapshot, trace: [], signal: gone.signal, receivedAt, startedAt }
    await sendReply(response, exchange, await door.calls(exchange), error => refusalFor(door, error, id))
  } catch (error) {
    const refusal = refusalFor(door, error, id)
    if (!inPipeline) door.refused({ id, receivedAt, presented, refusal })
    sendRefusal(response, refusal, route.dialect, id)
  }
}

async function answerApi(route: ApiRoute, door: Door, exchange: Exchange & Pick<Match, 'params'>): Promise<void> {
  const { request, response, id, params } = exchange
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  try {
    const snapshot = door.snapshots.current()
    const presented = route.access === 'public' ? undefined : allowed(snapshotOf(door), request, route.access)
    const query = new URLSearchParams(exchange.query)
    const { status, body, headers } = await route.answer({
      id,
      params,
      query,
      headers: request.headers,
      snapshot,
      presented,
      signal: gone.signal,
    })
    const text = typeof body === 'string'
    const bytes = Buffer.from(text ? body : JSON.stringify(body))
    const type = { 'content-type': text ? 'text/plain; charset=utf-8' : 'application/json', 'x-request-id': id }
    sendBytes(response, status, bytes, Object.entries({ ...type, ...headers }).flat(2))
  } catch (error) {
    sendRefusal(response, refusalFor(door, error, id), plainDialect, id)
  }
}

function snapshotOf({ snapshots }: Door): Snapshot {
  const snapshot = snapshots.current()
  if (snapshot) return snapshot
  throw new Refusal('not_configured', 'The gateway has no configuration yet; try again in a few seconds.', {
    retryAfter: 2,
  })
}

const ROLES: Readonly<Record<Exclude<Access, 'public'>, ReadonlySet<KeyItem['role']>>> = {
  key: new Set(['InternalUser', 'OrgAdmin', 'ProxyAdminViewer', 'ProxyAdmin'] as const),
  'tenant-admin': new Set(['OrgAdmin', 'ProxyAdminViewer', 'ProxyAdmin'] as const),
  'gateway-admin': new Set(['ProxyAdminViewer', 'ProxyAdmin'] as const),
}

function allowed(snapshot: Snapshot, request: IncomingMessage, access: Exclude<Access, 'public'>): Presented {
  const presented = present(snapshot, request.headers)
  refuseUnusable(presented, Date.now())
  const roles = ROLES[access]
  if (!roles.has(presented.key.role)) {
    throw new Refusal(
      'role_insufficient',
      `The key "${presented.key.alias}" has the role ${presented.key.role}; this needs ${[...roles].join(' or ')}.`,
    )
  }
  return presented
}

/** Whatever was thrown, as a refusal; what is none is told to the log. */
function refusalFor(door: Door, error: unknown, id: string): Refusal {
  if (error instanceof Unavailable) {
    const message = 'What this asks for cannot be read right now: the store does not answer; try again shortly.'
    return new Refusal('store_unavailable', message, { retryAfter: 1, cause: error })
  }
  const refusal = asRefusal(error)
  if (refusal.reason === 'internal_error') door.failed(refusal.cause ?? error, id)
  return refusal
}

function splitUrl(url: string): { path: string; query: string } {
  const mark = url.indexOf('?')
  return mark < 0 ? { path: url, query: '' } : { path: url.slice(0, mark), query: url.slice(mark + 1) }
}
