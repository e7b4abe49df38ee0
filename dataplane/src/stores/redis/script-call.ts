// A call as it goes over the wire, without what a client's general command costs: one promise, text or bytes as they are.
import type { Command } from 'ioredis'

/** What a script takes: text as UTF-8, numbers as decimal text. */
export type ScriptArgument = string | number

/** A script call whose first part was encoded before; see `prepareCall`. */
export interface PreparedCall {
  readonly lua: string
  readonly sha: string
  readonly head: string
  /** The reply is given as it comes: bytes. */
  readonly bytes: boolean
}

/** What varies in `prepareCall`. */
export interface PrepareOptions {
  readonly fixed: readonly ScriptArgument[]
  readonly more: number
  readonly bytes?: boolean
}

/** Encodes the part of a call that stays the same: keys, and the arguments `fixed`; `more` arguments follow each time. */
export function prepareCall(
  { lua, sha }: { readonly lua: string; readonly sha: string },
  keys: readonly string[],
  { fixed, more, bytes = false }: PrepareOptions,
): PreparedCall {
  const count = 3 + keys.length + fixed.length + more
  const head = `*${count}\r\n$7\r\nevalsha\r\n${encoded([sha, keys.length])}${encoded(keys)}${encoded(fixed)}`
  return { lua, sha, head, bytes }
}

/** A command that is sent often, as a call: not a script, so the server cannot lack it. The reply is given as it comes. */
export function plainCall(args: readonly (ScriptArgument | Buffer)[]): {
  readonly prepared: PreparedCall
  readonly wire: Wire
} {
  const pieces: (string | Buffer)[] = []
  let text = `*${args.length}\r\n`
  for (const arg of args) {
    if (!Buffer.isBuffer(arg)) {
      text += encoded([arg])
      continue
    }
    pieces.push(`${text}$${arg.byteLength}\r\n`, arg)
    text = '\r\n'
  }
  return { prepared: PLAIN, wire: pieces.length === 0 ? text : [...pieces, text] }
}

const PLAIN: PreparedCall = { lua: '', sha: '', head: '', bytes: true }

/** Arguments as Redis reads them. */
export function encoded(args: readonly ScriptArgument[]): string {
  let text = ''
  for (const arg of args) {
    if (typeof arg === 'string') text += `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`
    else {
      const digits = `${arg}`
      text += `$${digits.length}\r\n${digits}\r\n`
    }
  }
  return text
}

/** What leaves in one write: one text, or one piece of bytes when there are some among the pieces. */
export function joined(pieces: readonly (string | Buffer)[]): string | Buffer {
  const parts: (string | Buffer)[] = []
  let text = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      text += piece
      continue
    }
    if (text !== '') parts.push(text)
    text = ''
    parts.push(piece)
  }
  if (parts.length === 0) return text
  if (text !== '') parts.push(text)
  const sizes = parts.map(part => (typeof part === 'string' ? Buffer.byteLength(part) : part.length))
  const whole = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + size, 0))
  let at = 0
  for (const [index, part] of parts.entries()) {
    if (typeof part === 'string') whole.write(part, at)
    else whole.set(part, at)
    at += sizes[index] ?? 0
  }
  return whole
}

/** Told how a call ended. `late`: it had been given up before. */
export interface CallEnds {
  succeeded(call: ScriptCall, reply: unknown, late: boolean): void
  failed(call: ScriptCall, error: unknown): void
}

/** One text, or pieces that follow each other. */
export type Wire = string | readonly (string | Buffer)[]

/** In place of ioredis's Command: has what ioredis asks of one, and ends in `CallEnds` without a promise of its own. */
export class ScriptCall {
  readonly name = 'evalsha'
  readonly args: readonly string[] = []
  readonly inTransaction = false
  /** Keeps ioredis from tracing it. */
  readonly isTraced = true
  readonly promise = undefined
  isSettled = false
  /** The server did not know the script and got it: not a second time. */
  again = false
  readonly prepared: PreparedCall
  readonly wire: Wire
  readonly done: (reply: unknown) => void
  readonly undone: (error: unknown) => void
  readonly #ends: CallEnds

  constructor(
    ends: CallEnds,
    { prepared, wire }: { readonly prepared: PreparedCall; readonly wire: Wire },
    done: (reply: unknown) => void,
    undone: (error: unknown) => void,
  ) {
    this.#ends = ends
    this.prepared = prepared
    this.wire = wire
    this.done = done
    this.undone = undone
  }

  setReplyContext(): void {}

  toWritable(): Wire {
    return this.wire
  }

  resolve(reply: unknown): void {
    const late = this.isSettled
    this.isSettled = true
    this.#ends.succeeded(this, reply, late)
  }

  reject(error: unknown): void {
    if (this.isSettled) return
    this.isSettled = true
    this.#ends.failed(this, error)
  }

  /** As ioredis's type wants it. */
  command(): Command {
    return this as unknown as Command
  }
}

/** Strings come as Buffers. */
export function textOf(reply: unknown): unknown {
  if (typeof reply === 'number') return reply
  if (Buffer.isBuffer(reply)) return reply.toString()
  return Array.isArray(reply) ? reply.map(textOf) : reply
}
