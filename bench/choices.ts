// The figures behind docs/decisions/0002: what ways there are to pass frames and to ask an upstream, in CPU per call.
// `node bench/choices.ts`; takes about half a minute.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TransformStream } from 'node:stream/web'
import { Writable } from 'node:stream'
import { fetch, Pool, request } from 'undici'
import { undiciEgress } from '../dataplane/src/egress/undici.ts'
import { of, watch } from '../dataplane/src/exchange/streams.ts'

const LAYERS = 4
const FRAMES = 40
const FRAME = { bytes: Buffer.from('data: {"choices":[{"delta":{"content":"word"}}]}\n\n') }
const BODY = Buffer.from(JSON.stringify({ choices: [{ message: { content: 'hello '.repeat(20) } }] }))

type Frame = typeof FRAME

/** CPU microseconds of one run of `work`, after a warm-up, the least of five rounds. */
async function cost(rounds: number, work: () => Promise<unknown>): Promise<number> {
  let least = Infinity
  for (let round = 0; round < 6; round++) {
    const before = process.cpuUsage()
    for (let run = 0; run < rounds; run++) await work()
    const { user, system } = process.cpuUsage(before)
    if (round > 0) least = Math.min(least, (user + system) / rounds)
  }
  return least
}

function frames(): AsyncIterator<Frame, undefined> {
  return of(...Array.from({ length: FRAMES }, () => FRAME))
}

async function byHand(): Promise<void> {
  let source = frames()
  for (let layer = 0; layer < LAYERS; layer++) source = watch(source, { done() {} })
  for (let result = await source.next(); result.done !== true;) result = await source.next()
}

async function* generated(source: AsyncIterable<Frame>): AsyncGenerator<Frame> {
  for await (const frame of source) yield frame
}

async function byGenerators(): Promise<void> {
  let source: AsyncIterable<Frame> = { [Symbol.asyncIterator]: frames }
  for (let layer = 0; layer < LAYERS; layer++) source = generated(source)
  for await (const _frame of source);
}

async function byTransformStreams(): Promise<void> {
  const left = Array.from({ length: FRAMES }, () => FRAME)
  let source = new ReadableStream<Frame>({
    pull(controller) {
      const frame = left.pop()
      if (frame) controller.enqueue(frame)
      else controller.close()
    },
  })
  for (let layer = 0; layer < LAYERS; layer++) source = source.pipeThrough(new TransformStream<Frame, Frame>())
  for await (const _frame of source);
}

async function upstreams(): Promise<Record<string, () => Promise<unknown>>> {
  const server = createServer((asked, answer) => {
    asked.resume()
    answer.writeHead(200, { 'content-type': 'application/json', 'content-length': BODY.length }).end(BODY)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const headers = { 'content-type': 'application/json' }
  const pool = new Pool(origin, { connections: 64 })
  const egress = undiciEgress()
  const signal = new AbortController().signal
  const bounds = { allowPrivate: true, connectTimeoutMs: 1_000, headersTimeoutMs: 1_000, idleTimeoutMs: 1_000 }
  return {
    'our egress (undici dispatch)': async () => {
      const reply = await egress.send({ url: `${origin}/v1`, method: 'POST', headers, body: BODY, signal, ...bounds })
      while ((await reply.chunks.next()).done !== true);
    },
    'undici Pool.stream': () =>
      pool.stream(
        { path: '/v1', method: 'POST', headers, body: BODY },
        () => new Writable({ write: (_chunk, _encoding, next) => next() }),
      ),
    'undici request': async () =>
      (await request(`${origin}/v1`, { method: 'POST', headers, body: BODY, dispatcher: pool })).body.arrayBuffer(),
    'undici fetch': async () =>
      (await fetch(`${origin}/v1`, { method: 'POST', headers, body: BODY, dispatcher: pool })).arrayBuffer(),
  }
}

const paths = { 'iterators by hand': byHand, 'async generators': byGenerators, TransformStream: byTransformStreams }
for (const [name, work] of Object.entries(paths)) {
  const micros = await cost(3_000, work)
  console.log(
    `${name.padEnd(30)} ${micros.toFixed(1)} µs a stream of ${FRAMES} frames, ${LAYERS} layers (${(micros / FRAMES).toFixed(2)} a frame)`,
  )
}
for (const [name, work] of Object.entries(await upstreams())) {
  console.log(`${name.padEnd(30)} ${(await cost(2_000, work)).toFixed(1)} µs a call, with the server's share`)
}
process.exit(0)
