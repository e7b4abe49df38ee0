// Published Python clients as objects of a test: a Python process makes their calls.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pythonPackages } from '../../hack/python-package.ts'

/** Versions with a lock file here. */
export type SdkVersion = '0.4.0' | '0.5.1'

/** Arguments of a SmartflowClient. */
export interface ClientArguments {
  readonly base_url: string
  readonly api_key?: string
  readonly management_port: number
  readonly timeout?: number
}

/** An exception of the client: its class, the client's own classes above it, and its members. */
export interface Thrown {
  readonly type: string
  readonly bases: readonly string[]
  readonly text: string
  readonly [member: string]: unknown
}

type Said = { readonly value: unknown } | { readonly error: Thrown }

/** Where the packages of a version of smartflow-sdk lie; undefined when there is no Python that can have them (an error under CI). */
export function sdkFolder(version: SdkVersion): Promise<string | undefined> {
  return packageFolder(`smartflow-sdk-${version}`)
}

/** The same for the lock file `<lock>.txt` of this folder. */
export async function packageFolder(lock: string): Promise<string | undefined> {
  try {
    return await pythonPackages(join(import.meta.dirname, `${lock}.txt`), process.env)
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    console.warn(
      `\n!! Tests of the Python packages ${lock} are skipped. ${error instanceof Error ? error.message : String(error)}\n`,
    )
    return undefined
  }
}

/** One Python process that runs a script of this folder; its commands run one after another, a line of JSON each way. */
export class PythonProcess {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #home: string
  #errors = ''

  /** `packages`: see packageFolder. It sees no settings of the user: neither files of the home folder nor variables. */
  constructor(script: string, packages: string) {
    this.#home = mkdtempSync(join(tmpdir(), 'smartflow-python-'))
    const env = { PATH: process.env['PATH'], HOME: this.#home, PYTHONPATH: packages }
    this.#child = spawn('python3', [join(import.meta.dirname, script)], { env, stdio: 'pipe' })
    this.#child.stderr?.on('data', (part: Buffer) => (this.#errors += part.toString()))
    if (this.#child.stdout === null) throw new Error('the Python process has no output')
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** What a command gives; throws with the Python error when it raises. */
  async value(command: object): Promise<unknown> {
    const said = await this.#send(command)
    if ('value' in said) return said.value
    throw new Error(`Python raised ${JSON.stringify(said.error)}`)
  }

  /** What a command raises; throws when it raises nothing. */
  async raised(command: object): Promise<Thrown> {
    const said = await this.#send(command)
    if ('error' in said) return said.error
    throw new Error(`${JSON.stringify(command)} raised nothing and gave ${JSON.stringify(said.value)}`)
  }

  close(): void {
    this.#child.kill()
    rmSync(this.#home, { recursive: true, force: true })
  }

  async #send(command: object): Promise<Said> {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`)
    const line = await this.#lines.next()
    if (line.done === true) throw new Error(`the Python process ended:\n${this.#errors}`)
    return JSON.parse(line.value) as Said
  }
}

/** smartflow-sdk. */
export class PythonClient {
  readonly #process: PythonProcess

  constructor(packages: string) {
    this.#process = new PythonProcess('drive.py', packages)
  }

  /** Makes the client that the calls after this use. */
  async use(client: ClientArguments): Promise<void> {
    await this.#process.value({ client })
  }

  /** What a method gives; throws with the Python error when it raises. */
  call(method: string, args: readonly unknown[] = [], kwargs: object = {}): Promise<unknown> {
    return this.#process.value({ call: method, args, kwargs })
  }

  /** What a method of the synchronous client gives. */
  sync(method: string): Promise<unknown> {
    return this.#process.value({ sync: method })
  }

  /** What a method raises; throws when it raises nothing. */
  raised(method: string, args: readonly unknown[] = [], kwargs: object = {}): Promise<Thrown> {
    return this.#process.raised({ call: method, args, kwargs })
  }

  close(): void {
    this.#process.close()
  }
}
