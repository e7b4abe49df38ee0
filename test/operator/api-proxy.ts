// Stands between an operator and the API server and misbehaves on demand: it answers in the server's stead, and ends,
// freezes, delays or expires watches. It shows the server's own certificate.
import { readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporary } from '../e2e/gateway.ts'
import type { World } from './chaos-world.ts'

/** A request as rules look at it. */
export interface Asked {
  readonly method: string
  /** As the API calls the type: virtualkeys. */
  readonly plural: string
  readonly watch: boolean
  /** Empty: all of them. */
  readonly name: string
  readonly subresource: string
}

/** What is answered instead; `drop` breaks the connection. `amend`: the server's own answer, changed. */
export type Instead =
  | { readonly code: number; readonly reason: string; readonly retryAfter?: number }
  | 'drop'
  | { readonly amend: (body: string) => string }

/** Undefined: the request goes its way. */
export type Rule = (asked: Asked) => Instead | undefined

interface OpenWatch {
  readonly plural: string
  readonly response: ServerResponse
  /** What is held back of a frozen one. */
  held: Buffer[] | undefined
  /** The piece before: pieces keep their order however long each is delayed. */
  last: Promise<void>
}

/** A proxy that runs. */
export class ApiProxy {
  readonly kubeconfig: string
  readonly #agent: Agent
  readonly #server: ReturnType<typeof createServer>
  readonly #target: string
  readonly #watches = new Set<OpenWatch>()
  /** Milliseconds that every event of a watch is late. */
  delayMs = 0
  rule: Rule = () => undefined
  /** How often a rule decided. */
  decided = 0

  private constructor(world: World, server: ReturnType<typeof createServer>) {
    this.#server = server
    this.#target = world.cluster.address.server
    this.#agent = new Agent({ ca: world.cluster.address.ca, keepAlive: true, maxSockets: 200 })
    const { port } = server.address() as AddressInfo
    this.kubeconfig = join(temporary(), 'kubeconfig')
    const text = readFileSync(world.cluster.address.kubeconfig, 'utf8')
    writeFileSync(this.kubeconfig, text.replaceAll(this.#target, `https://127.0.0.1:${port}`))
    server.on('request', (asked, response) => void this.#serve(asked, response))
  }

  static async start(world: World): Promise<ApiProxy> {
    const certificates = join(world.dir, 'certificates')
    const server = createServer({
      cert: readFileSync(join(certificates, 'apiserver.crt')),
      key: readFileSync(join(certificates, 'apiserver.key')),
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return new ApiProxy(world, server)
  }

  /** At once; whoever is connected loses it. */
  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
    this.#agent.destroy()
  }

  /** Nothing more comes of these watches (all of them by default), until they are dropped or thawed. */
  freeze(plural?: string): number {
    const chosen = this.#chosen(plural)
    for (const watch of chosen) watch.held = []
    return chosen.length
  }

  /** What was held back comes after all. */
  thaw(): void {
    for (const watch of this.#watches) {
      for (const piece of watch.held ?? []) watch.response.write(piece)
      watch.held = undefined
    }
  }

  /** Breaks the connections of watches. */
  drop(plural?: string): void {
    for (const watch of this.#chosen(plural)) watch.response.destroy()
  }

  /** Says in the stream that the version is too old, as a server whose store was compacted. */
  expire(plural?: string): void {
    const object = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Expired', code: 410 }
    const event = JSON.stringify({ type: 'ERROR', object: { ...object, message: 'too old resource version: 1 (2)' } })
    for (const watch of this.#chosen(plural)) watch.response.end(`${event}\n`)
  }

  /** How many watches stand. */
  watching(plural: string): number {
    return this.#chosen(plural).length
  }

  #chosen(plural: string | undefined): OpenWatch[] {
    return [...this.#watches].filter(watch => plural === undefined || watch.plural === plural)
  }

  async #serve(asked: IncomingMessage, response: ServerResponse): Promise<void> {
    const what = askedOf(asked)
    const instead = this.rule(what)
    if (instead !== undefined) this.decided++
    if (instead === 'drop') return void asked.destroy()
    if (instead !== undefined && 'code' in instead) return refuse(response, instead)
    const { method = 'GET', url = '/', headers } = asked
    const target = new URL(url, this.#target)
    const onward = request(target, { method, agent: this.#agent, headers: { ...headers, host: target.host } })
    onward.once('error', () => response.destroy())
    response.once('close', () => onward.destroy())
    onward.once('response', answer => {
      const { statusCode = 500 } = answer
      if (instead !== undefined) return void amended(answer, response, instead.amend)
      response.writeHead(statusCode, answer.headers)
      if (what.watch && statusCode === 200) this.#watch(what.plural, answer, response)
      else answer.pipe(response)
    })
    asked.pipe(onward)
  }

  #watch(plural: string, answer: IncomingMessage, response: ServerResponse): void {
    const watch: OpenWatch = { plural, response, held: undefined, last: Promise.resolve() }
    this.#watches.add(watch)
    response.flushHeaders()
    response.once('close', () => this.#watches.delete(watch))
    answer.on('data', (piece: Buffer) => void (watch.last = this.#pass(watch, piece)))
    answer.once('end', () => response.end())
    answer.once('error', () => response.destroy())
  }

  async #pass(watch: OpenWatch, piece: Buffer): Promise<void> {
    await Promise.all([watch.last, this.delayMs > 0 ? sleep(this.delayMs) : undefined])
    if (watch.held !== undefined) watch.held.push(piece)
    else if (!watch.response.writableEnded) watch.response.write(piece)
  }
}

function askedOf({ method = 'GET', url = '/' }: IncomingMessage): Asked {
  const { pathname, searchParams } = new URL(url, 'https://any')
  const parts = pathname.split('/').filter(Boolean)
  // /api/v1/… or /apis/group/version/…, then perhaps namespaces/name, then plural/name/subresource.
  const rest = parts.slice(parts[0] === 'api' ? 2 : 3)
  const own = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest
  const [plural = '', name = '', subresource = ''] = own
  return { method, plural, watch: searchParams.has('watch'), name, subresource }
}

function refuse(response: ServerResponse, { code, reason, retryAfter }: Exclude<Instead, string | { amend: unknown }>) {
  response.writeHead(code, {
    'content-type': 'application/json',
    ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
  })
  const message = `the proxy says ${code}`
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code, message }))
}

async function amended(answer: IncomingMessage, response: ServerResponse, amend: (body: string) => string) {
  let body = ''
  for await (const piece of answer) body += String(piece)
  const { 'content-length': _length, 'transfer-encoding': _encoding, ...headers } = answer.headers
  response.writeHead(answer.statusCode ?? 500, headers)
  response.end(amend(body))
}
