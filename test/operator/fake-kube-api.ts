// A small, strict API server in this process, for tests of how the operator behaves towards a real one: lists in pages,
// watches with bookmarks, both shapes of 410, conflicts, and any scripted failure.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Stored {
  readonly metadata: Readonly<Record<string, unknown>>
  readonly [field: string]: unknown
}

interface LogEntry {
  readonly rv: number
  readonly type: string
  readonly object: Stored
  readonly path: string
}

interface OpenWatch {
  readonly collection: string
  readonly response: ServerResponse
}

/** What a scripted answer does instead of the real one; `hang` never answers, `reset` breaks the connection. */
export type Scripted =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
  | 'hang'
  | 'reset'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
}

const COLLECTION = /^\/(?:api\/v1|apis\/[^/]+\/[^/]+)(?:\/namespaces\/[^/]+)?\/[a-z]+$/
const OBJECT = /^(\/(?:api\/v1|apis\/[^/]+\/[^/]+)(?:\/namespaces\/[^/]+)?\/[a-z]+)\/([^/]+)(?:\/(status))?$/
const NAMESPACES = /^\/api\/v1\/namespaces(?:\/[^/]+)?$/
const MICRO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/

export class FakeKubeApi {
  /** Every request that came, in order. */
  readonly seen: SeenRequest[] = []
  /** Path of a kubeconfig for this server. */
  readonly kubeconfig: string
  /** Collections that do not exist. */
  readonly absent = new Set<string>()
  /** Sockets that were ever opened. */
  connections = 0
  /** Tokens that are accepted; empty: everyone is. */
  readonly tokens = new Set<string>()

  readonly #server: Server
  readonly #directory: string
  readonly #objects = new Map<string, Stored>()
  readonly #log: LogEntry[] = []
  readonly #watches = new Set<OpenWatch>()
  readonly #script: { fits: (request: SeenRequest) => boolean; answer: Scripted }[] = []
  #rv = 100
  #oldest = 0
  #uids = 0

  private constructor(server: Server, directory: string) {
    this.#server = server
    this.#directory = directory
    this.kubeconfig = join(directory, 'kubeconfig')
  }

  static async start(): Promise<FakeKubeApi> {
    const server = createServer()
    const fake = new FakeKubeApi(server, mkdtempSync(join(tmpdir(), 'fake-kube-')))
    server.on('connection', () => fake.connections++)
    server.on('request', (request, response) => void fake.#take(request, response))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    fake.writeKubeconfig()
    return fake
  }

  /** Writes the kubeconfig anew, with this token. */
  writeKubeconfig(token?: string): void {
    const { port } = this.#server.address() as AddressInfo
    writeFileSync(
      this.kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'c',
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
        clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
        users: [{ name: 'u', user: token === undefined ? {} : { token } }],
      }),
    )
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
    rmSync(this.#directory, { recursive: true })
  }

  /** The next request that fits is answered like this. */
  script(answer: Scripted, fits: (request: SeenRequest) => boolean = () => true): void {
    this.#script.push({ fits, answer })
  }

  /** Watches that are open now. */
  get watches(): number {
    return this.#watches.size
  }

  get resourceVersion(): number {
    return this.#rv
  }

  /** Creates or changes an object as somebody else would. */
  put(path: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const live = this.#objects.get(path)
    this.#store(path, { ...live, ...fields, metadata: { ...live?.metadata, ...record(fields['metadata']) } })
  }

  object(path: string): Stored | undefined {
    return this.#objects.get(path)
  }

  /** Paths of all objects of a collection. */
  paths(collection: string): string[] {
    return [...this.#objects.keys()].filter(path => inCollection(path, collection))
  }

  remove(path: string): void {
    const live = this.#objects.get(path)
    if (!live) throw new Error(`${path} is not there`)
    this.#objects.delete(path)
    this.#rv++
    const object = { ...live, metadata: { ...live.metadata, resourceVersion: String(this.#rv) } }
    this.#publish({ rv: this.#rv, type: 'DELETED', object, path })
  }

  /** Forgets history: who resumes from before gets 410. */
  compact(): void {
    this.#oldest = this.#rv
    this.#log.length = 0
  }

  /** Raises the version, as writes to other types would, and tells the watches. */
  bookmark(): void {
    this.#rv++
    const object = { metadata: { resourceVersion: String(this.#rv) } }
    for (const { response } of this.#watches) send(response, { type: 'BOOKMARK', object })
  }

  /** Ends every watch: as the server does it, in the middle of an event, or by breaking the connection. */
  endWatches(how: 'end' | 'mid-line' | 'reset'): void {
    for (const { response } of this.#watches) {
      if (how === 'reset') response.destroy()
      else response.end(how === 'mid-line' ? '{"type":"MODIFIED","obj' : undefined)
    }
    this.#watches.clear()
  }

  /** Sends an ERROR event to every watch, as for a version that was compacted. */
  expireWatches(): void {
    const object = statusOf(410, 'Expired', 'too old resource version')
    for (const { response } of this.#watches) {
      send(response, { type: 'ERROR', object })
      response.end()
    }
    this.#watches.clear()
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://fake')
    const body = await readBody(request)
    const method = request.method ?? 'GET'
    const seen = { method, path: pathname, query: searchParams, headers: request.headers, body }
    this.seen.push(seen)
    const scripted = this.#script.findIndex(({ fits }) => fits(seen))
    if (scripted !== -1) {
      const [{ answer } = { answer: 'hang' as const }] = this.#script.splice(scripted, 1)
      return play(response, answer)
    }
    if (this.tokens.size > 0 && !this.tokens.has(request.headers.authorization ?? '')) {
      return json(response, 401, statusOf(401, 'Unauthorized', 'Unauthorized'))
    }
    const isCollection = pathname === '/api/v1/namespaces' || (COLLECTION.test(pathname) && !NAMESPACES.test(pathname))
    if (isCollection) return this.#takeCollection(seen, response)
    this.#takeObject(seen, response)
  }

  #takeCollection(seen: SeenRequest, response: ServerResponse): void {
    if (this.absent.has(seen.path)) {
      response.writeHead(404).end('404 page not found\n')
    } else if (seen.method === 'POST') this.#create(seen, response)
    else if (seen.method !== 'GET') json(response, 405, statusOf(405, 'MethodNotAllowed', 'no'))
    else if (seen.query.get('watch') === 'true') this.#watch(seen, response)
    else this.#list(seen, response)
  }

  #list({ path, query }: SeenRequest, response: ServerResponse): void {
    const [at = String(this.#rv), from = '0'] = (query.get('continue') ?? '').split(':').filter(Boolean)
    if (Number(at) < this.#oldest) return json(response, 410, statusOf(410, 'Expired', 'the continue token is too old'))
    const limit = Number(query.get('limit') ?? 0)
    const all = [...this.#objects].filter(([name]) => inCollection(name, path)).sort(([a], [b]) => (a < b ? -1 : 1))
    const end = limit === 0 ? all.length : Number(from) + limit
    // Items of a list lack kind and apiVersion, as those of the built-in types do.
    const items = all.slice(Number(from), end).map(([, { kind: _k, apiVersion: _a, ...item }]) => item)
    const more = end < all.length ? { continue: `${at}:${end}` } : {}
    json(response, 200, { kind: 'List', metadata: { resourceVersion: at, ...more }, items })
  }

  #watch({ path, query }: SeenRequest, response: ServerResponse): void {
    if (query.get('allowWatchBookmarks') !== 'true' || !query.has('timeoutSeconds')) {
      return json(response, 400, statusOf(400, 'BadRequest', 'this server insists on bookmarks and timeoutSeconds'))
    }
    const from = Number(query.get('resourceVersion'))
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    if (from < this.#oldest) {
      send(response, { type: 'ERROR', object: statusOf(410, 'Expired', 'too old resource version') })
      response.end()
      return
    }
    const watch = { collection: path, response }
    for (const entry of this.#log) if (entry.rv > from) tell(watch, entry)
    this.#watches.add(watch)
    response.on('close', () => this.#watches.delete(watch))
  }

  #create({ path, body }: SeenRequest, response: ServerResponse): void {
    const object = record(body)
    const { name } = record(object['metadata'])
    const at = `${path}/${String(name)}`
    if (this.#objects.has(at)) return json(response, 409, statusOf(409, 'AlreadyExists', `${at} already exists`))
    const bad = badTimes(object)
    if (bad !== undefined) return json(response, 400, statusOf(400, 'BadRequest', `${bad} is no MicroTime`))
    json(response, 201, this.#store(at, { ...object, metadata: record(object['metadata']) }))
  }

  #takeObject(seen: SeenRequest, response: ServerResponse): void {
    const [, collection = '', name = ''] = OBJECT.exec(seen.path) ?? []
    const path = `${collection}/${name}`
    const live = this.#objects.get(path)
    const isApply = seen.headers['content-type'] === 'application/apply-patch+yaml'
    if (collection === '' || (!live && !isApply)) {
      return json(response, 404, statusOf(404, 'NotFound', `${path} not found`))
    }
    if (seen.method === 'PATCH') return this.#patch(path, seen, response)
    if (!live) return json(response, 404, statusOf(404, 'NotFound', `${path} not found`))
    if (seen.method === 'PUT') return this.#replace(path, seen, response)
    if (seen.method === 'DELETE') return this.#delete(path, seen, response)
    json(response, 200, live)
  }

  #replace(path: string, { body }: SeenRequest, response: ServerResponse): void {
    const object = record(body)
    const metadata = record(object['metadata'])
    const live = this.#objects.get(path)
    if (metadata['resourceVersion'] !== live?.metadata['resourceVersion']) {
      return json(response, 409, statusOf(409, 'Conflict', 'the object has been modified'))
    }
    const bad = badTimes(object)
    if (bad !== undefined) return json(response, 400, statusOf(400, 'BadRequest', `${bad} is no MicroTime`))
    json(response, 200, this.#store(path, { ...object, metadata: { ...live?.metadata, ...metadata } }))
  }

  #delete(path: string, { body }: SeenRequest, response: ServerResponse): void {
    const { uid } = record(record(body)['preconditions'])
    if (uid !== undefined && uid !== this.#objects.get(path)?.metadata['uid']) {
      return json(response, 409, statusOf(409, 'Conflict', 'the UID in the precondition does not match'))
    }
    this.remove(path)
    json(response, 200, statusOf(200, '', ''))
  }

  #patch(path: string, { headers, query, body }: SeenRequest, response: ServerResponse): void {
    const live = this.#objects.get(path)
    if (headers['content-type'] === 'application/apply-patch+yaml') {
      const object = record(body)
      return this.#apply(path, object, query.get('fieldManager') ?? '', response)
    }
    if (headers['content-type'] === 'application/json-patch+json' && live && Array.isArray(body)) {
      const next = structuredClone(live)
      if (!body.every(operation => patchOne(next, record(operation)))) {
        return json(response, 422, statusOf(422, 'Invalid', 'the server rejected our request: a test failed'))
      }
      return json(response, 200, this.#store(path, next))
    }
    json(response, 415, statusOf(415, 'UnsupportedMediaType', 'this body is not accepted'))
  }

  #apply(path: string, object: Record<string, unknown>, manager: string, response: ServerResponse): void {
    const live = this.#objects.get(path)
    const { uid, managedFields } = record(object['metadata'])
    if (manager === '') return json(response, 400, statusOf(400, 'BadRequest', 'fieldManager is required'))
    if (managedFields) return json(response, 400, statusOf(400, 'BadRequest', 'metadata.managedFields must be nil'))
    if (uid !== undefined && !live) return json(response, 409, statusOf(409, 'Conflict', 'uid mismatch'))
    if (uid !== undefined && uid !== live?.metadata['uid']) {
      const causes = [{ reason: 'FieldValueInvalid', field: 'metadata.uid' }]
      return json(response, 422, { ...statusOf(422, 'Invalid', 'field is immutable'), details: { causes } })
    }
    const next = merge(live ?? {}, object)
    const metadata = { ...record(next['metadata']), managedFields: managersOf(live, manager) }
    json(response, live ? 200 : 201, this.#store(path, { ...next, metadata }))
  }

  /** As the API server: what changes nothing makes no new version. */
  #store(path: string, object: Stored): Stored {
    const live = this.#objects.get(path)
    const namespace = /\/namespaces\/([^/]+)\/[a-z]+\/[^/]+$/.exec(path)?.[1]
    const identity = live
      ? { uid: live.metadata['uid'], resourceVersion: live.metadata['resourceVersion'] }
      : { uid: `uid-${++this.#uids}`, resourceVersion: '' }
    const metadata = {
      ...object.metadata,
      ...identity,
      name: path.slice(path.lastIndexOf('/') + 1),
      ...(namespace !== undefined && { namespace }),
    }
    const next: Stored = { ...object, metadata }
    if (live && JSON.stringify(sorted(next)) === JSON.stringify(sorted(live))) return live
    const rv = ++this.#rv
    const stored: Stored = { ...next, metadata: { ...metadata, resourceVersion: String(rv) } }
    this.#objects.set(path, stored)
    this.#publish({ rv, type: live ? 'MODIFIED' : 'ADDED', object: stored, path })
    return stored
  }

  #publish(entry: LogEntry): void {
    this.#log.push(entry)
    for (const watch of this.#watches) tell(watch, entry)
  }
}

function tell({ collection, response }: OpenWatch, { path, type, object }: LogEntry): void {
  if (inCollection(path, collection)) send(response, { type, object })
}

function inCollection(path: string, collection: string): boolean {
  const parent = path.slice(0, path.lastIndexOf('/'))
  return parent === collection || parent.replace(/\/namespaces\/[^/]+(?=\/)/, '') === collection
}

function send(response: ServerResponse, event: unknown): void {
  response.write(`${JSON.stringify(event)}\n`)
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function play(response: ServerResponse, answer: Scripted): void {
  if (answer === 'hang') return
  if (answer === 'reset') {
    response.destroy()
    return
  }
  response.writeHead(answer.status, answer.headers)
  response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {}))
}

/** A Status, as the API server writes them. */
export function statusOf(code: number, reason: string, message: string): Record<string, unknown> {
  return { kind: 'Status', apiVersion: 'v1', status: code < 400 ? 'Success' : 'Failure', code, reason, message }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

function managersOf(live: Stored | undefined, manager: string): unknown[] {
  const known = live?.metadata['managedFields']
  const before: unknown[] = Array.isArray(known) ? known : []
  const others = before.filter(entry => record(entry)['manager'] !== manager)
  return [...others, { manager, operation: 'Apply' }]
}

function merge(into: Record<string, unknown>, from: Record<string, unknown>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...into }
  for (const [name, value] of Object.entries(from)) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    merged[name] = isObject ? merge(record(merged[name]), record(value)) : value
  }
  return merged
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  )
}

function patchOne(object: Record<string, unknown>, { op, path, value }: Record<string, unknown>): boolean {
  const parts = String(path)
    .slice(1)
    .split('/')
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  const last = parts.pop() ?? ''
  let holder: unknown = object
  for (const part of parts) holder = record(holder)[part] ?? (Array.isArray(holder) ? holder[Number(part)] : undefined)
  if (op === 'test') {
    const found = Array.isArray(holder) ? (holder[Number(last)] as unknown) : record(holder)[last]
    return JSON.stringify(sorted(found)) === JSON.stringify(sorted(value))
  }
  if (Array.isArray(holder)) {
    if (op === 'remove') holder.splice(Number(last), 1)
    else holder.splice(last === '-' ? holder.length : Number(last), op === 'add' ? 0 : 1, value)
    return true
  }
  if (typeof holder !== 'object' || holder === null) return false
  if (op === 'remove') return Reflect.deleteProperty(holder, last)
  return Reflect.set(holder, last, value)
}

/** The first time of a Lease or an Event that the real server would refuse. */
function badTimes(object: Record<string, unknown>): string | undefined {
  const spec = record(object['spec'])
  const times = [
    spec['renewTime'],
    spec['acquireTime'],
    object['eventTime'],
    record(object['series'])['lastObservedTime'],
  ]
  return times
    .filter(time => time !== undefined && time !== null)
    .map(String)
    .find(time => !MICRO_TIME.test(time))
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  const text = Buffer.concat(pieces).toString('utf8')
  return text === '' ? undefined : JSON.parse(text)
}
