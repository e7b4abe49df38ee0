// Listens to one channel. Hints only: what is missed while the connection is down is found by polling.
import { Redis } from 'ioredis'

const CONNECT_TIMEOUT_MS = 2_000
const MAX_BACKOFF_MS = 2_000

/** Calls `hint` for every message and after every reconnect; gives a function that ends it. */
export function subscribe(url: string, channel: string, hint: () => void): () => void {
  const client = new Redis(url, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: null,
    retryStrategy: attempt => Math.min(MAX_BACKOFF_MS, 100 * attempt),
  })
  client.on('error', () => {}) // the main connection to the same server says what is wrong with it
  client.on('message', hint)
  client.on('ready', hint)
  client.subscribe(channel).catch(() => {}) // only when it is ended before it was ever connected
  return () => client.disconnect()
}
