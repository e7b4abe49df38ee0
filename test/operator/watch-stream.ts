// A watch as bytes from the API server, without a client library: what a reflector has to live with.
import { get } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import type { Cluster } from '../../hack/control-plane/cluster.ts'

/** One line of a watch. */
export type WatchEvent = {
  type: string
  object: {
    code?: number
    reason?: string
    metadata?: { name?: string; resourceVersion?: string }
    [member: string]: unknown
  }
}

/** Lines as they come; the end of it, when the API server ends the watch or the connection breaks. */
export type WatchStream = { events: AsyncIterableIterator<WatchEvent>; close: () => void }

/** Opens a watch from a resourceVersion on, for 30 s at most. Throws when the answer is no stream. */
export async function openWatch(cluster: Cluster, path: string, resourceVersion: string): Promise<WatchStream> {
  const { server, ca } = cluster.address
  const url = new URL(`${path}?watch=true&resourceVersion=${resourceVersion}&timeoutSeconds=30`, server)
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const headers = { authorization: `Bearer ${cluster.tokenFor('admin')}` }
  const request = get(url, { ca, headers }, resolve).on('error', reject)
  const reply = await promise
  if (reply.statusCode !== 200) {
    request.destroy()
    throw new Error(`The watch was answered ${reply.statusCode}`)
  }
  return { events: linesOf(reply), close: () => request.destroy() }
}

async function* linesOf(reply: IncomingMessage): AsyncGenerator<WatchEvent> {
  try {
    for await (const line of createInterface({ input: reply })) {
      const event: WatchEvent = JSON.parse(line)
      yield event
    }
  } catch (error) {
    if (!reply.errored) throw error
  }
}
