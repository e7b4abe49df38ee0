// The last good configuration on disk. Written behind calls: in pieces, one file at a time, only the newest of what waits.
import { open, readFile, rename } from 'node:fs/promises'
import { loadLastGood, saveLastGood } from '@smartflow/core/snapshot/last-good'
import type { Verifier } from '@smartflow/core/snapshot/signing'
import type { SnapshotData } from '@smartflow/core/snapshot/snapshot-data'

/** See the file's head. */
export class LastGoodFile {
  readonly #path: string
  readonly #failed: (error: unknown) => void
  #waiting: SnapshotData | undefined
  #writing: Promise<void> | undefined

  /** `failed` is told why a file could not be written; the one before it then stays. */
  constructor(path: string, failed: (error: unknown) => void) {
    this.#path = path
    this.#failed = failed
  }

  /** What was kept, verified; undefined when there is no file. Rejects with a SnapshotError for one that is damaged. */
  async load(verifier: Verifier): Promise<SnapshotData | undefined> {
    let text: string
    try {
      text = await readFile(this.#path, 'utf8')
    } catch {
      return undefined // a first start: there is none yet
    }
    return loadLastGood(text, verifier)
  }

  /** Keeps this one soon, unless a newer one comes first. */
  keep(data: SnapshotData): void {
    this.#waiting = data
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined))
  }

  /** Resolves when nothing waits to be written. */
  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting !== undefined) {
      const data = this.#waiting
      this.#waiting = undefined
      await this.#write(data).catch(this.#failed)
    }
  }

  /** A file beside, then the rename: a crash leaves the one before it. */
  async #write(data: SnapshotData): Promise<void> {
    const draft = `${this.#path}.${process.pid}`
    const file = await open(draft, 'w', 0o600)
    try {
      for (const piece of saveLastGood(data)) await file.writeFile(piece)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, this.#path)
  }
}
