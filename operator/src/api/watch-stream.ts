// A watch's answer as events: one JSON object a line, however the lines are cut into pieces.
import { ApiError, errorOfFailure, errorOfStatus } from './api-error.ts'
import { asKubeObject, isRecord, type KubeObject, type ResourceType } from './resource-type.ts'
import type { OpenAnswer } from './transport.ts'

/** BOOKMARK: nothing changed up to `resourceVersion`; `initialEventsEnd` closes the objects that were there at first. */
export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubeObject }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string; readonly initialEventsEnd: boolean }

/** No object can be larger; etcd takes 1.5 MiB. */
const MAX_LINE_BYTES = 8 * 1024 * 1024

/**
 * Reads events until the server ends the watch. Throws ApiError for an ERROR event (Expired, mostly), a broken
 * connection, a line that is no event, an end in the middle of one, and silence of `idleMs` (Timeout).
 */
export async function* readEvents(
  answer: OpenAnswer,
  type: ResourceType,
  idleMs: number,
): AsyncGenerator<WatchEvent, void, undefined> {
  let silent = false
  const onSilence = (): void => {
    silent = true
    answer.cancel()
  }
  let timer = setTimeout(onSilence, idleMs)
  try {
    for await (const line of linesOf(answer.body)) {
      clearTimeout(timer)
      yield eventOf(line, type)
      timer = setTimeout(onSilence, idleMs)
    }
  } catch (error) {
    if (silent) throw new ApiError('Timeout', `watch of ${type.plural}: silent for ${idleMs} ms`, { cause: error })
    throw errorOfFailure(error, `watch of ${type.plural}`)
  } finally {
    clearTimeout(timer)
    answer.cancel()
  }
}

async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  let begun: Buffer[] = []
  let size = 0
  for await (const piece of body) {
    let from = 0
    for (let end = piece.indexOf(10); end !== -1; end = piece.indexOf(10, from)) {
      begun.push(piece.subarray(from, end))
      const line = Buffer.concat(begun).toString('utf8')
      begun = []
      size = 0
      from = end + 1
      if (line.trim() !== '') yield line
    }
    if (from === piece.length) continue
    begun.push(piece.subarray(from))
    size += piece.length - from
    if (size > MAX_LINE_BYTES) throw new Error(`an event is larger than ${MAX_LINE_BYTES} bytes`)
  }
  if (size > 0) throw new Error('the stream ended in the middle of an event')
}

function eventOf(line: string, type: ResourceType): WatchEvent {
  const event: unknown = JSON.parse(line)
  if (!isRecord(event)) throw new Error('a line is no event')
  const { type: what, object } = event
  if (what === 'ERROR') throw errorOfStatus(object)
  if (what === 'BOOKMARK') return bookmarkOf(object)
  const known = asKubeObject(object, type)
  if (!known || (what !== 'ADDED' && what !== 'MODIFIED' && what !== 'DELETED')) {
    throw new Error(`an event of type ${String(what)} is none that a watch may send`)
  }
  return { type: what, object: known }
}

function bookmarkOf(object: unknown): WatchEvent {
  const metadata = isRecord(object) && isRecord(object['metadata']) ? object['metadata'] : {}
  const { resourceVersion, annotations } = metadata
  if (typeof resourceVersion !== 'string') throw new Error('a bookmark has no resourceVersion')
  const initialEventsEnd = isRecord(annotations) && annotations['k8s.io/initial-events-end'] === 'true'
  return { type: 'BOOKMARK', resourceVersion, initialEventsEnd }
}
