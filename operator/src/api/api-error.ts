// What can go wrong with a call to the API server, in one shape: Status bodies, texts of proxies, broken connections
// and timeouts. Messages never carry headers, nor a body beyond the Status's own message.
import { isRecord } from './resource-type.ts'

/**
 * What a caller may decide by. Transient covers server errors, broken connections and calls given up; Timeout is a
 * call nobody answered in time, which may still have taken effect.
 */
export type ApiErrorReason =
  | 'NotFound'
  | 'Conflict'
  | 'AlreadyExists'
  | 'Invalid'
  | 'Forbidden'
  | 'Unauthorized'
  | 'Expired'
  | 'TooManyRequests'
  | 'Timeout'
  | 'Transient'

/** One cause of a Status: a reason such as FieldManagerConflict or NamespaceTerminating, and the field it is about. */
export interface ApiErrorCause {
  readonly reason: string
  readonly field: string
}

export interface ApiErrorDetails {
  /** HTTP status, where an answer came. */
  readonly code?: number | undefined
  readonly retryAfterMs?: number | undefined
  readonly causes?: readonly ApiErrorCause[]
  readonly cause?: unknown
}

/** A call to the API server that did not do what was asked. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly reason: ApiErrorReason
  readonly code: number | undefined
  readonly retryAfterMs: number | undefined
  readonly causes: readonly ApiErrorCause[]

  constructor(reason: ApiErrorReason, message: string, details: ApiErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.reason = reason
    this.code = details.code
    this.retryAfterMs = details.retryAfterMs
    this.causes = details.causes ?? []
  }
}

const MAX_MESSAGE = 1_000
/** How an apply with a field that the schema lacks is answered: with status 500, though no retry will help. */
const UNTYPED = 'failed to create typed patch object'
/** Servers in trouble may ask for any wait; beyond this it is the same as "later". */
const MAX_RETRY_AFTER_MS = 120_000

/** An answer that is no success: its HTTP status, body as text, and the Retry-After header. */
export function errorOfAnswer(code: number, body: string, retryAfter?: string): ApiError {
  return errorOfStatus(parse(body), code, retryAfterMs(retryAfter))
}

/** A Status object, as a body or as the object of a watch's ERROR event. */
export function errorOfStatus(status: unknown, httpCode?: number, retryAfter?: number): ApiError {
  const shape = isRecord(status) ? status : {}
  const code = httpCode ?? (typeof shape['code'] === 'number' ? shape['code'] : undefined)
  const statusReason = typeof shape['reason'] === 'string' ? shape['reason'] : ''
  const details = isRecord(shape['details']) ? shape['details'] : {}
  const seconds = details['retryAfterSeconds']
  const message = typeof shape['message'] === 'string' && shape['message'] !== '' ? shape['message'] : statusReason
  const reason = message.startsWith(UNTYPED) ? 'Invalid' : reasonOf(code, statusReason)
  return new ApiError(reason, (message || `HTTP ${code ?? 'error'}`).slice(0, MAX_MESSAGE), {
    code,
    retryAfterMs: retryAfter ?? (typeof seconds === 'number' ? bounded(seconds * 1_000) : undefined),
    causes: causesOf(details['causes']),
  })
}

const TIMEOUTS = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
  'TimeoutError',
])

/** Whatever was thrown on the way: a broken connection, a name that does not resolve, a timeout, a refusal to parse. */
export function errorOfFailure(error: unknown, what: string): ApiError {
  if (error instanceof ApiError) return error
  const code = codeOf(error)
  const text = code || (error instanceof Error ? error.message : String(error))
  const timedOut = TIMEOUTS.has(code)
  const message = timedOut ? `${what}: no answer in time (${text})` : `${what}: ${text}`
  return new ApiError(timedOut ? 'Timeout' : 'Transient', message.slice(0, MAX_MESSAGE), { cause: error })
}

const BY_STATUS_REASON: Readonly<Record<string, ApiErrorReason>> = {
  NotFound: 'NotFound',
  AlreadyExists: 'AlreadyExists',
  Conflict: 'Conflict',
  Expired: 'Expired',
  Gone: 'Expired',
  Forbidden: 'Forbidden',
  Unauthorized: 'Unauthorized',
  Invalid: 'Invalid',
  BadRequest: 'Invalid',
  MethodNotAllowed: 'Invalid',
  NotAcceptable: 'Invalid',
  UnsupportedMediaType: 'Invalid',
  RequestEntityTooLarge: 'Invalid',
  TooManyRequests: 'TooManyRequests',
  Timeout: 'Timeout',
  ServerTimeout: 'Timeout',
}

const BY_CODE: Readonly<Record<number, ApiErrorReason>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  408: 'Timeout',
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
  504: 'Timeout',
}

function reasonOf(code: number | undefined, statusReason: string): ApiErrorReason {
  const named = BY_STATUS_REASON[statusReason] ?? BY_CODE[code ?? 0]
  if (named) return named
  return code !== undefined && code >= 400 && code < 500 ? 'Invalid' : 'Transient'
}

function causesOf(causes: unknown): ApiErrorCause[] {
  if (!Array.isArray(causes)) return []
  return causes.filter(isRecord).map(({ reason, field }) => ({
    reason: typeof reason === 'string' ? reason : '',
    field: typeof field === 'string' ? field : '',
  }))
}

function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return bounded(seconds * 1_000)
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : bounded(at - Date.now())
}

function bounded(ms: number): number {
  return Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS)
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined // a proxy's page or an API server still starting: the code says what there is to know
  }
}

/** The innermost code: undici and Node put the network's own error below others. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  const below = codeOf(error.cause)
  if (below !== '') return below
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.name === 'TimeoutError' ? error.name : ''
}
