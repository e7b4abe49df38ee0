// Egress over undici's dispatch: pooled keep-alive connections, addresses checked when they are resolved, back-pressure
// to the socket. No retries and no redirects here: routing decides about those.
import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import { type Dispatcher, Pool } from 'undici'
import { type Egress, EgressError, type EgressFailure, type EgressReply, type EgressRequest } from '../ports/egress.ts'
import { refuseAddress } from './address.ts'
import { ReplyReader } from './reply-reader.ts'

/** Sockets to one origin at most; requests beyond wait for one. */
const CONNECTIONS_PER_ORIGIN = 1024
/** Destinations whose sockets are kept; the one that was new first is closed beyond this. Providers are far fewer. */
const MAX_DESTINATIONS = 1_000

/** Opens the way out. Close it to end its sockets. */
export function undiciEgress(): Egress {
  const destinations = new Map<string, Destination>()

  const destinationOf = (request: EgressRequest): Destination => {
    const name = `${request.allowPrivate} ${request.connectTimeoutMs} ${request.url}`
    const known = destinations.get(name)
    if (known) return known
    const destination = newDestination(request)
    destinations.set(name, destination)
    const [oldest] = destinations
    if (destinations.size > MAX_DESTINATIONS && oldest) {
      destinations.delete(oldest[0])
      void oldest[1].pool.close() // waits for its calls
    }
    return destination
  }

  return {
    async send(request) {
      const destination = destinationOf(request)
      if (destination.refused !== undefined) throw new EgressError('refused', destination.refused)
      if (request.signal.aborted) throw new EgressError('aborted', 'the call ended before it was sent')
      return dispatch(destination, request)
    },
    async close() {
      await Promise.all([...destinations.values()].map(({ pool }) => pool.destroy()))
    },
  }
}

/** A URL taken apart, its sockets, and why it may not be reached when its host is an address that is refused. */
interface Destination {
  readonly host: string
  readonly path: string
  readonly refused: string | undefined
  readonly pool: Pool
}

/** undici does not look literal addresses up: they are checked here, names when they are resolved. */
function newDestination({ url, allowPrivate, connectTimeoutMs }: EgressRequest): Destination {
  const { hostname, host, origin, pathname, search } = new URL(url)
  const address = hostname.replace(/^\[|\]$/g, '')
  const refused = isIP(address) === 0 ? undefined : refuseAddress(address, allowPrivate)
  return { host, path: pathname + search, refused, pool: newPool(origin, allowPrivate, connectTimeoutMs) }
}

function newPool(origin: string, allowPrivate: boolean, connectTimeoutMs: number): Pool {
  return new Pool(origin, {
    connections: CONNECTIONS_PER_ORIGIN,
    pipelining: 1,
    keepAliveTimeout: 30_000,
    connect: {
      timeout: connectTimeoutMs,
      lookup: (hostname, options, callback) => {
        lookup(hostname, { ...options, all: true }, (error, addresses) => {
          if (error) return callback(error, [])
          const allowed = addresses.filter(({ address }) => refuseAddress(address, allowPrivate) === undefined)
          const first = addresses[0]
          if (allowed.length > 0 || !first) return callback(null, allowed)
          const reason = refuseAddress(first.address, allowPrivate) ?? 'no address'
          callback(new EgressError('refused', `${hostname} resolves to ${reason}`), [])
        })
      },
    },
  })
}

function dispatch(to: Destination, request: EgressRequest): Promise<EgressReply> {
  return new Promise((resolve, reject) => {
    const reader = new ReplyReader(
      request,
      resolve,
      error => reject(failureOf(error, to.host)),
      error => failureOf(error, to.host),
    )
    const options: Dispatcher.DispatchOptions = {
      path: to.path,
      method: request.method,
      headers: request.headers,
      body: request.body ?? null,
      // The reader's: undici's begins only when a connection is there, and sets up a timer of its own at each turn.
      headersTimeout: 0,
      bodyTimeout: 0,
    }
    to.pool.dispatch(options, reader)
  })
}

const TIMEOUTS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

function failureOf(error: unknown, host: string): EgressError {
  if (error instanceof EgressError) return error
  const code = codeOf(error)
  return new EgressError(kindOf(code), `${host}: ${code || (error instanceof Error ? error.message : 'failed')}`, error)
}

function kindOf(code: string): EgressFailure {
  if (code === 'UND_ERR_ABORTED') return 'aborted'
  if (TIMEOUTS.has(code)) return 'timeout'
  return UNREACHABLE.has(code) ? 'unreachable' : 'broken'
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return ''
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
