// Stream load: many streams of stamped chunks at a time, which show what was lost, doubled, out of order or late.
import { RawConnection, type ReplySink } from './client.ts'
import { loopbackUrl, promptMaker, type LoadTarget } from './prompts.ts'
import { rounded, Samples, type Spread } from './samples.ts'
import { StampReader, type StampCounts } from './stamps.ts'
import { checkConnections, TIMEOUT_MS, Timeouts } from './timeouts.ts'

/** What streams came to. A stream is ok when all pieces, the usage, [DONE] and the end of the reply arrived. */
export type StreamResult = StampCounts & {
  mode: 'stream'
  connections: number
  streams: number
  ok: number
  failed: number
  seconds: number
  streamsPerSecond: number
  /** From sending to the first piece of text. */
  ttftMs: Spread | undefined
  /** Between the arrivals of two pieces of one stream that did not come together. */
  gapMs: Spread | undefined
  /** From when the upstream wrote a piece to when it was here; not with `repeat`, whose stamps may be old. */
  transitMs: Spread | undefined
  errors: Record<string, number>
}

/** `streams` in all, `connections` at a time, each of `chunks` pieces `delay` ms apart; `rampMs` spreads the first. */
export type StreamOptions = {
  connections: number
  streams: number
  chunks: number
  delay: number
  rampMs?: number
  timeoutMs?: number
  repeat?: boolean
}

type StreamTally = {
  readonly ttft: Samples
  readonly gap: Samples
  readonly transit: Samples
  readonly counts: StampCounts
  readonly errors: Record<string, number>
  started: number
  ok: number
}

function streamSink(tally: StreamTally, chunks: number, token: string, finished: () => void): ReplySink {
  const begun = performance.now()
  const reader = new StampReader(chunks, token, tally.counts)
  let status = 0
  let refusal = ''
  let previous = 0
  const arrived = (transitMs: number): void => {
    tally.transit.add(transitMs)
  }
  return {
    onHead: code => {
      status = code
    },
    onBody: bytes => {
      if (status !== 200) {
        if (refusal.length < 160) refusal += bytes.toString('latin1', 0, 160)
        return
      }
      if (reader.read(bytes, arrived) === 0) return
      const now = performance.now()
      if (previous === 0) tally.ttft.add(now - begun)
      else tally.gap.add(now - previous)
      previous = now
    },
    onDone: failure => {
      const why = failure ?? (status === 200 ? reader.fault() : `status ${status}: ${refusal}`)
      reader.close()
      if (why === undefined) tally.ok++
      else tally.errors[why] = (tally.errors[why] ?? 0) + 1
      finished()
    },
  }
}

/** Streams of stamped chunks, a fixed number at a time. */
export async function streamLoad(target: LoadTarget, options: StreamOptions): Promise<StreamResult> {
  const { connections, streams, chunks, delay, rampMs = 1000, timeoutMs = TIMEOUT_MS + 2 * chunks * delay } = options
  checkConnections(connections)
  const url = loopbackUrl(target.url)
  const directives = `chunks=${chunks} delay=${delay} stamp=1`
  const next = promptMaker(target, { stream: true, directives, repeat: options.repeat === true })
  const counts: StampCounts = { chunks: 0, lost: 0, doubled: 0, outOfOrder: 0, noUsage: 0, noDone: 0 }
  const tally: StreamTally = {
    ttft: new Samples(),
    gap: new Samples(),
    transit: new Samples(),
    counts,
    errors: {},
    started: 0,
    ok: 0,
  }
  const timeouts = new Timeouts(timeoutMs)
  const start = performance.now()
  const width = Math.min(connections, streams)
  const work = async (index: number): Promise<void> => {
    const connection = new RawConnection(url)
    if (index > 0 && rampMs > 0) await new Promise(resolve => setTimeout(resolve, (rampMs * index) / width))
    while (tally.started < streams) {
      tally.started++
      const done = Promise.withResolvers<void>()
      timeouts.begin(connection, performance.now())
      const { request, token } = next()
      connection.send(request, streamSink(tally, chunks, token, done.resolve))
      await done.promise
      timeouts.end(connection)
    }
    connection.destroy()
  }
  await Promise.all(Array.from({ length: width }, (_, index) => work(index)))
  timeouts.stop()
  const seconds = (performance.now() - start) / 1000
  return {
    mode: 'stream',
    connections,
    streams: tally.started,
    ok: tally.ok,
    failed: tally.started - tally.ok,
    seconds: rounded(seconds),
    streamsPerSecond: rounded(tally.ok / seconds),
    ...counts,
    ttftMs: tally.ttft.spread(),
    gapMs: tally.gap.spread(),
    transitMs: options.repeat === true ? undefined : tally.transit.spread(),
    errors: tally.errors,
  }
}
