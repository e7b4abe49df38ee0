// The operator's own small HTTP server: whether it lives, whether it is ready, its metrics. Nothing secret, no TLS; the
// chart keeps it inside the cluster.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ProbesOptions {
  /** Default 9464; 0 takes any free one. */
  readonly port?: number
  readonly host?: string
  /** What is wrong for good: the process has to be started anew. Empty: it lives. */
  readonly sick: () => readonly string[]
  /** What keeps it from working just now, such as lists that are not there yet. Empty: it is ready. */
  readonly unready: () => readonly string[]
  readonly metrics: { text(): Promise<string>; readonly contentType: string }
}

export interface Probes {
  readonly port: number
  close(): Promise<void>
}

const PORT = 9464
const MAX_CONNECTIONS = 64
const PATIENCE_MS = 5_000

/** Listens; rejects when the port is taken. */
export async function startProbes(options: ProbesOptions): Promise<Probes> {
  const server = createServer({ headersTimeout: PATIENCE_MS, requestTimeout: PATIENCE_MS }, (request, response) => {
    void answer(request, response, options)
  })
  server.maxConnections = MAX_CONNECTIONS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? PORT, options.host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, options: ProbesOptions): Promise<void> {
  const [path = '/'] = (request.url ?? '/').split('?')
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'only GET is served here')
  if (path === '/healthz') return report(response, options.sick())
  if (path === '/readyz') return report(response, options.unready())
  if (path !== '/metrics') return send(response, 404, 'served here: /healthz, /readyz, /metrics')
  try {
    send(response, 200, await options.metrics.text(), options.metrics.contentType)
  } catch (error) {
    send(response, 500, `the metrics cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function report(response: ServerResponse, problems: readonly string[]): void {
  if (problems.length === 0) send(response, 200, 'ok')
  else send(response, 503, problems.join('\n'))
}

function send(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type }).end(text.endsWith('\n') ? text : `${text}\n`)
}
