// Standalone: this process plays the operator. A folder of resources is compiled and published as a cluster's would be.
import { compile } from '@smartflow/core/compile/compile'
import { missingTokens } from '@smartflow/core/compile/missing-tokens'
import type { Status } from '@smartflow/core/compile/status'
import type { Resource } from '@smartflow/core/resources/resource'
import type { Compiled } from '@smartflow/core/snapshot/items'
import type { Keyring } from '@smartflow/core/snapshot/keyring'
import type { Publisher } from '@smartflow/core/snapshot/publish'
import { newToken } from '@smartflow/core/snapshot/token'
import { ConfigFolder, type FolderState } from '@smartflow/core/yaml/folder'
import { readTokens, type Tokens, writeTokens } from './state.ts'
import { log } from '@smartflow/core/log'

/** How long after a failed publication the next one is tried. */
const RETRY_MS = 1_000

/** How often the store is asked whether it still has the configuration: it may have been flushed or rolled back. */
const LOOK_AGAIN_MS = 5_000

/** What standalone needs. */
export interface StandaloneOptions {
  readonly folder: string
  readonly tokensFile: string
  readonly keyring: Keyring
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly publisher: Publisher
}

/** Follows a folder until closed. */
export class Standalone {
  readonly #options: StandaloneOptions
  readonly #folder: ConfigFolder
  #tokens: Tokens
  #current: Compiled | undefined
  #wanted: Compiled | undefined
  #timer: NodeJS.Timeout | undefined
  #publishing = false
  #closed = false
  #demo = false
  readonly #firstAttempt = Promise.withResolvers<void>()
  #said = ''

  constructor(options: StandaloneOptions) {
    this.#options = options
    this.#tokens = readTokens(options.tokensFile)
    this.#folder = new ConfigFolder(options.folder, { onChange: state => this.#apply(state) })
  }

  /** True when the demo upstream stands in for at least one provider. */
  get demo(): boolean {
    return this.#demo
  }

  /** Reads the folder, publishes it if the store takes it, and goes on following. Rejects when the folder cannot be read. */
  async start(): Promise<void> {
    this.#apply(await this.#folder.start())
    await this.#firstAttempt.promise
    this.#timer = setInterval(() => this.#publishCurrent(), LOOK_AGAIN_MS).unref()
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    this.#folder.close()
  }

  #apply({ resources, problems }: FolderState): void {
    this.#makeTokens(resources)
    const { keyring, environment } = this.#options
    const secrets = new Map(Object.entries(this.#tokens))
    const { compiled, statuses } = compile({ resources, secrets, environment, standalone: true, keyring })
    const complaints = [
      ...problems.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`),
      ...statuses.flatMap(complaintsOf),
    ]
    this.#demo = [...compiled.tenants.values()].some(items =>
      items.some(item => item.kind === 'AIProvider' && item.demo),
    )
    this.#say(complaints)
    this.#current = compiled
    this.#publishCurrent()
  }

  #publishCurrent(): void {
    this.#wanted = this.#current
    void this.#publish()
  }

  #makeTokens(resources: readonly Resource[]): void {
    const missing = missingTokens(resources, new Map(Object.entries(this.#tokens)))
    if (missing.length === 0) return
    const tokens = { ...this.#tokens }
    for (const { namespace, secretName, key } of missing) {
      const name = `${namespace}/${secretName}`
      tokens[name] = { ...tokens[name], [key]: newToken() }
    }
    writeTokens(this.#options.tokensFile, tokens)
    this.#tokens = tokens
  }

  /** Problems are said once, and again only when they change. */
  #say(complaints: readonly string[]): void {
    const said = complaints.join('\n')
    if (said === this.#said) return
    this.#said = said
    for (const complaint of complaints) log('warn', complaint)
    if (complaints.length === 0) log('info', 'all resources of the folder are in order')
  }

  /** One publication at a time; the newest configuration wins. */
  async #publish(): Promise<void> {
    if (this.#publishing) return
    this.#publishing = true
    let failed = ''
    while (this.#wanted && !this.#closed) {
      const compiled = this.#wanted
      this.#wanted = undefined
      try {
        await this.#publishOnce(compiled)
        failed = ''
        this.#firstAttempt.resolve()
      } catch (error) {
        this.#wanted ??= compiled
        const message = error instanceof Error ? error.message : String(error)
        if (message !== failed)
          log('warn', 'the configuration could not be published; trying again', { reason: message })
        failed = message
        this.#firstAttempt.resolve()
        await new Promise(resolve => setTimeout(resolve, RETRY_MS).unref())
      }
    }
    this.#publishing = false
  }

  async #publishOnce(compiled: Compiled): Promise<void> {
    const published = await this.#options.publisher.publish(compiled)
    switch (published.outcome) {
      case 'published':
        log('info', 'configuration published', { ...published.version })
        return
      case 'unchanged':
        return
      case 'held':
        log('warn', published.message)
        await this.#folder.scan()
        this.#wanted ??= this.#current
        return
      case 'stale':
        this.#closed = true
        log('error', published.message)
    }
  }
}

function complaintsOf({ kind, namespace, name, conditions }: Status): string[] {
  return conditions
    .filter(({ status }) => status === 'False')
    .map(
      ({ type, reason, message }) =>
        `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}: ${type}=False (${reason}): ${message}`,
    )
}
