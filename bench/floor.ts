// The Node floor: what any gateway on node:http and undici pays before it does a thing. Bytes are passed, nothing is
// read, checked or kept. `node bench/floor.ts --port N --upstream http://127.0.0.1:9100`
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { Pool } from 'undici'

/** Headers of one connection, not of the message, and the length, which node and undici write again. */
const OWN = new Set(['host', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'expect'])

function passed(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined && !OWN.has(name)) kept[name] = value
  }
  return kept
}

function forward(pool: Pool, request: IncomingMessage, response: ServerResponse): void {
  const parts: Buffer[] = []
  request.on('data', part => parts.push(part))
  request.on('end', () => {
    const [only] = parts
    const body = parts.length > 1 ? Buffer.concat(parts) : (only ?? null)
    const { url = '/', method = 'GET' } = request
    pool
      .stream({ path: url, method, headers: passed(request.headers), body }, reply => {
        response.writeHead(reply.statusCode, passed(reply.headers))
        return response
      })
      .catch(() => {
        if (response.headersSent) response.destroy()
        else response.writeHead(502).end()
      })
  })
}

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '9200' },
    upstream: { type: 'string', default: 'http://127.0.0.1:9100' },
  },
})
const pool = new Pool(values.upstream, { connections: 1024, pipelining: 1 })
const server = createServer({ noDelay: true }, (request, response) => forward(pool, request, response))
server.listen({ port: Number(values.port), host: '127.0.0.1', backlog: 4096 }, () => {
  const { port } = server.address() as AddressInfo
  console.log(`listening on http://127.0.0.1:${port}`)
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(0))
