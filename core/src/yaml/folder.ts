// A folder of resources that plays Kubernetes: read whole, watched, and never emptied by a file that is bad or
// half-written.
import { type FSWatcher, watch } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { describeResource, type Resource } from '../resources/resource.ts'
import { compareText } from '../snapshot/canonical.ts'
import { duplicateProblem, type FileContent, type FileProblem, readDocuments } from './document.ts'

const MAX_PROBLEMS = 100
const MAX_FILES = 2_000
/** Longest wait for a file that never stops changing, unless the usual wait is longer. */
const MAX_WAIT_MS = 1_000
const MAX_FILE_BYTES = 4 * 1_024 * 1_024

/** What the folder says now: the objects in force and what is wrong with the files. */
export interface FolderState {
  readonly resources: readonly Resource[]
  /** By file and line, at most 100. */
  readonly problems: readonly FileProblem[]
}

/** How to follow a folder. Times in milliseconds. */
export interface FolderOptions {
  /** Called after a scan that found something new; never two at once. Must not throw. */
  readonly onChange?: (state: FolderState) => void
  /** How long after the last event files are read; default 100. */
  readonly debounce?: number
  /** How often the folder is read without any event, for file systems that send none; default 10,000. */
  readonly rescan?: number
}

interface KnownFile {
  /** What was read last, in force or not. */
  readonly text: string
  /** The last content that was in order (at the start: whatever of it was). */
  readonly good: FileContent['resources']
  readonly problems: readonly FileProblem[]
  /** The file was not there at the last scan; it is forgotten when the next one does not find it either. */
  readonly missing: boolean
}

/** Follows a folder of `*.yaml` and `*.yml` files and its subfolders. Names that begin with a dot are left alone. */
export class ConfigFolder {
  readonly #path: string
  readonly #onChange: (state: FolderState) => void
  readonly #debounce: number
  readonly #rescan: number
  readonly #files = new Map<string, KnownFile>()
  #state: FolderState = { resources: [], problems: [] }
  #scanning: Promise<FolderState> = Promise.resolve(this.#state)
  #watcher: FSWatcher | undefined
  #soon: NodeJS.Timeout | undefined
  /** When the oldest event that no scan has answered came. */
  #waitingSince: number | undefined
  #regular: NodeJS.Timeout | undefined
  #closed = false

  constructor(path: string, options: FolderOptions = {}) {
    this.#path = path
    this.#onChange = options.onChange ?? (() => undefined)
    this.#debounce = options.debounce ?? 100
    this.#rescan = options.rescan ?? 10_000
  }

  /** What the last scan found; empty before the first. */
  get state(): FolderState {
    return this.#state
  }

  /** Reads the folder and watches it from then on. */
  async start(): Promise<FolderState> {
    const state = await this.scan()
    if (this.#closed) return state
    this.#watch()
    this.#regular = setInterval(() => {
      if (this.#watcher === undefined) this.#watch()
      void this.scan()
    }, this.#rescan).unref()
    return state
  }

  /** Reads the folder now. Scans run one after another. Never rejects: what cannot be read is a problem. */
  scan(): Promise<FolderState> {
    const run = (): Promise<FolderState> => this.#scan()
    this.#scanning = this.#scanning.then(run, run)
    return this.#scanning
  }

  /** Stops watching; a scan under way ends without calling `onChange`. */
  close(): void {
    this.#closed = true
    this.#watcher?.close()
    clearTimeout(this.#soon)
    clearInterval(this.#regular)
  }

  #watch(): void {
    try {
      const watcher = watch(this.#path, { recursive: true, persistent: false })
      watcher.on('change', () => this.#scanSoon())
      watcher.on('error', () => {
        watcher.close()
        this.#watcher = undefined
      })
      this.#watcher = watcher
    } catch {
      // The folder is not there (any more): the regular scan says so, and watching begins when it is back.
      this.#watcher = undefined
    }
  }

  /** Waits until events stop coming, but not for ever. */
  #scanSoon(): void {
    if (this.#closed) return
    const now = performance.now()
    this.#waitingSince ??= now
    const left = this.#waitingSince + Math.max(MAX_WAIT_MS, this.#debounce) - now
    clearTimeout(this.#soon)
    this.#soon = setTimeout(
      () => {
        this.#waitingSince = undefined
        void this.scan()
      },
      Math.max(0, Math.min(this.#debounce, left)),
    ).unref()
  }

  async #scan(): Promise<FolderState> {
    const listed = await listFiles(this.#path)
    let changed = false
    for (const file of listed.files) changed = (await this.#read(file)) || changed
    if (listed.problem === undefined) changed = this.#forget(new Set(listed.files)) || changed
    if (this.#files.values().some(file => file.missing)) this.#scanSoon()
    return this.#settle(changed, listed.problem === undefined ? [] : [fileProblem('.', listed.problem)])
  }

  #settle(changed: boolean, problems: readonly FileProblem[]): FolderState {
    const state = this.#gather(problems)
    if (!changed && JSON.stringify(state.problems) === JSON.stringify(this.#state.problems)) return this.#state
    this.#state = state
    if (!this.#closed) this.#onChange(state)
    return state
  }

  /** Reads one file; true when its objects or problems are other than before. */
  async #read(file: string): Promise<boolean> {
    const text = await readText(join(this.#path, file))
    if ('problem' in text) return this.#keep(file, '', [fileProblem(file, text.problem)])
    const known = this.#files.get(file)
    if (known?.text !== text.text) return this.#take(file, text.text, known)
    if (known.missing) this.#files.set(file, { ...known, missing: false })
    return false
  }

  #take(file: string, text: string, known: KnownFile | undefined): boolean {
    if (text.trim() === '') {
      const message = 'the file is empty; what it held before stays in force: delete the file to remove its objects'
      const held = known !== undefined && known.good.length > 0
      return this.#keep(file, text, held ? [fileProblem(file, message)] : [])
    }
    const content = readDocuments(file, text)
    if (content.problems.length > 0 && known !== undefined) return this.#keep(file, text, content.problems)
    this.#files.set(file, { text, good: content.resources, problems: content.problems, missing: false })
    return true
  }

  /** The file is bad: what was good in it before stays in force. */
  #keep(file: string, text: string, problems: readonly FileProblem[]): boolean {
    const known = this.#files.get(file)
    const same = JSON.stringify(known?.problems ?? []) === JSON.stringify(problems)
    this.#files.set(file, { text, good: known?.good ?? [], problems, missing: false })
    return !same
  }

  /** Drops files that two scans in a row did not find: an editor that replaces a file leaves it away for a moment. */
  #forget(present: ReadonlySet<string>): boolean {
    let changed = false
    for (const [file, known] of this.#files) {
      if (present.has(file)) continue
      if (known.missing) changed = this.#files.delete(file) || changed
      else this.#files.set(file, { ...known, missing: true })
    }
    return changed
  }

  #gather(problems: readonly FileProblem[]): FolderState {
    const resources: Resource[] = []
    const all = [...problems]
    const places = new Map<string, string>()
    for (const file of [...this.#files.keys()].sort(compareText)) {
      const known = this.#files.get(file)
      all.push(...(known?.problems ?? []))
      for (const resource of known?.good ?? []) {
        const first = places.get(describeResource(resource))
        if (first === undefined) resources.push(resource)
        else all.push(duplicateProblem(file, resource, first))
        places.set(describeResource(resource), first ?? file)
      }
    }
    return { resources, problems: all.slice(0, MAX_PROBLEMS) }
  }
}

async function listFiles(path: string): Promise<{ files: string[]; problem?: string }> {
  try {
    const entries = await readdir(path, { recursive: true, withFileTypes: true })
    const files = entries
      .filter(entry => (entry.isFile() || entry.isSymbolicLink()) && /\.ya?ml$/.test(entry.name))
      .map(entry => relative(path, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .filter(file => !file.split('/').some(part => part.startsWith('.')))
      .sort(compareText)
    if (files.length <= MAX_FILES) return { files }
    return { files: [], problem: `there are more than ${MAX_FILES} files; is this the folder of the configuration?` }
  } catch (error) {
    return { files: [], problem: `the folder cannot be read (${reasonOf(error)}); what was read before stays in force` }
  }
}

async function readText(path: string): Promise<{ text: string } | { problem: string }> {
  const stays = 'what it held before stays in force'
  try {
    const { size } = await stat(path)
    if (size > MAX_FILE_BYTES) return { problem: `the file has ${size} bytes, more than ${MAX_FILE_BYTES}; ${stays}` }
    return { text: await readFile(path, 'utf8') }
  } catch (error) {
    return { problem: `the file cannot be read (${reasonOf(error)}); ${stays}` }
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

function fileProblem(file: string, message: string): FileProblem {
  return { file, line: 1, column: 1, field: undefined, reason: 'Invalid', message }
}
