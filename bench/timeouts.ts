// The limits every kind of load keeps: how many connections, and how long a reply may take.
import type { RawConnection } from './client.ts'

const MAX_CONNECTIONS = 5000

/** How long a reply may take when nothing else is said. */
export const TIMEOUT_MS = 30_000

/** Throws when that is not a number of connections this program opens. */
export function checkConnections(connections: number): void {
  if (!(connections >= 1 && connections <= MAX_CONNECTIONS)) throw new Error(`1 to ${MAX_CONNECTIONS} connections`)
}

/** Destroys connections whose request is older than the timeout; looked at once a second. */
export class Timeouts {
  #since = new Map<RawConnection, number>()
  #sweep: NodeJS.Timeout

  constructor(timeoutMs = TIMEOUT_MS) {
    const sweep = (): void => {
      const oldest = performance.now() - timeoutMs
      for (const [connection, since] of this.#since) if (since < oldest) connection.destroy('timed out')
    }
    this.#sweep = setInterval(sweep, Math.min(1000, timeoutMs))
  }

  begin(connection: RawConnection, now: number): void {
    this.#since.set(connection, now)
  }

  end(connection: RawConnection): void {
    this.#since.delete(connection)
  }

  stop(): void {
    clearInterval(this.#sweep)
  }
}
