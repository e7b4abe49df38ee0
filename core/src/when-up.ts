// Waiting for a connection, the same in both programs.

/** A connection that comes and goes. `onChange` calls at every change and gives what ends that. */
export interface UpAndDown {
  up(): boolean
  onChange(listener: () => void): () => void
}

/** Resolves true as soon as it is up, false when it is not within `timeoutMs`. */
export function whenUp(connection: UpAndDown, timeoutMs: number): Promise<boolean> {
  if (connection.up()) return Promise.resolve(true)
  return new Promise(resolve => {
    const end = (): void => {
      clearTimeout(timer)
      forget()
      resolve(connection.up())
    }
    const timer = setTimeout(end, timeoutMs)
    const forget = connection.onChange(end)
  })
}
