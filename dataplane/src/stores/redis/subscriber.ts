// Listens to one channel. Hints only: what is missed while the connection is down is found by polling.
import { Redis } from 'ioredis'

const CONNECT_TIMEOUT_MS = 2_000
const MAX_BACKOFF_MS = 2_000
const KEEP_ALIVE_MS = 10_000

/** Calls `hint` for every message and whenever it begins to hear; gives a function that ends it. */
export function subscribe(url: string, channel: string, hint: () => void): () => void {
  const client = new Redis(url, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: KEEP_ALIVE_MS,
    maxRetriesPerRequest: null,
    autoResubscribe: false,
    retryStrategy: attempt => Math.min(MAX_BACKOFF_MS, 100 * attempt),
  })
  // Once it hears: what was said before that is found by the look that the hint causes, and nothing falls in between.
  // A connection that broke meanwhile gets ready again; a server that refuses leaves it to the polls.
  const listen = (): void => void client.subscribe(channel).then(hint, () => undefined)
  client.on('error', () => {}) // the main connection to the same server says what is wrong with it
  client.on('message', hint)
  client.on('ready', listen)
  return () => client.disconnect()
}
