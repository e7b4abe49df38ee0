// For tests: a TCP proxy before a server that can go silent, cut its connections, or lose only the answers.
import { connect, createServer, type Server, type Socket } from 'node:net'

/** What passes: everything; nothing, without closing (a stopped server); requests but not answers; or no connection at all. */
export type ProxyMode = 'through' | 'silent' | 'deaf' | 'cut'

/** Listens on a free port of the loopback and forwards to the server of `target` (a redis:// address). */
export async function openTestProxy(target: string): Promise<TestProxy> {
  const proxy = new TestProxy(target)
  await proxy.listen()
  return proxy
}

interface Pair {
  readonly near: Socket
  readonly far: Socket
}

/** See the file's head. */
export class TestProxy {
  #target: { readonly host: string; readonly port: number }
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #mode: ProxyMode = 'through'

  constructor(target: string) {
    this.#target = addressOf(target)
    this.#server = createServer(near => this.#accept(near))
  }

  async listen(): Promise<void> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
  }

  /** The address that clients use instead of the server's. */
  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen')
    return `redis://127.0.0.1:${address.port}`
  }

  /** New connections go to this server from now on; those that are open stay where they are. */
  retarget(target: string): void {
    this.#target = addressOf(target)
  }

  /** Changes what passes, for connections that are open too. */
  set(mode: ProxyMode): void {
    this.#mode = mode
    for (const pair of this.#pairs) this.#apply(pair)
  }

  async close(): Promise<void> {
    this.set('cut')
    await new Promise(resolve => this.#server.close(resolve))
  }

  #accept(near: Socket): void {
    near.on('error', () => near.destroy())
    if (this.#mode === 'cut') return void near.destroy()
    const far = connect(this.#target)
    const pair = { near, far }
    this.#pairs.add(pair)
    far.on('error', () => far.destroy())
    near.on('close', () => far.destroy())
    far.on('close', () => {
      near.destroy()
      this.#pairs.delete(pair)
    })
    near.on('data', bytes => far.write(bytes))
    far.on('data', bytes => near.write(bytes))
    this.#apply(pair)
  }

  /** A paused socket leaves what comes where it is, as a stopped process does. */
  #apply({ near, far }: Pair): void {
    if (this.#mode === 'cut') return void near.destroy()
    if (this.#mode === 'silent') near.pause()
    else near.resume()
    if (this.#mode === 'through') far.resume()
    else far.pause()
  }
}

function addressOf(target: string): { host: string; port: number } {
  const { hostname, port } = new URL(target)
  return { host: hostname, port: Number(port || 6379) }
}
