// Events of a stream, held until the guardrails have decided on all their texts; they leave in the order in which they came.
import type { Dialect } from '../../exchange/dialect.ts'
import { splice } from '../../exchange/json-texts.ts'
import type { Frame } from '../../exchange/reply.ts'
import { readEvent, splitEvents, withData } from '../../exchange/sse.ts'
import type { StreamText } from '../../exchange/texts.ts'
import { strictly, type Watch } from './guards.ts'
import { RunningText } from './running-text.ts'
import { judged, replacementsOf } from './slots.ts'
import type { Tally } from './tally.ts'

/** Events with more bytes than this never wait together. */
const MAX_WAITING_BYTES = 1024 * 1024
/** A provider may number its blocks as it likes; of those with nothing waiting the oldest are forgotten. */
const MAX_CHANNELS = 1_024

/** The entity that stands for a text that could not be decided within the bounds. */
const UNDECIDED = 'undecided'

interface Changed {
  readonly slot: StreamText
  readonly text: string
}

/** An event that waits. */
interface Held {
  readonly bytes: Buffer
  readonly data: string
  readonly changed: Changed[]
  /** Channels on which a text of it is not decided. */
  readonly undecided: RunningText[]
}

/** What a hold-back works with. */
export interface HoldBackTerms {
  readonly dialect: Pick<Dialect, 'textsOfEvent'>
  readonly watch: Watch
  readonly tally: Tally
  /** Most characters that wait; beyond, the stream is blocked, or, when all guards only note, the oldest are judged as they stand. */
  readonly most: number
}

/** See the file's head. Both methods throw the tally's Refusal as soon as something is to be blocked. */
export class HoldBack {
  readonly #terms: HoldBackTerms
  readonly #channels = new Map<string, RunningText>()
  #held: Held[] = []
  #heldBytes = 0
  #out: Buffer[] = []
  #changed = false

  constructor(terms: HoldBackTerms) {
    this.#terms = terms
  }

  /** What may leave now; the very frame when nothing waits and nothing was changed. */
  push(frame: Frame): Frame | undefined {
    const fresh = this.#held.length === 0
    for (const bytes of splitEvents(frame.bytes)) this.#event(bytes)
    const whole = fresh && this.#held.length === 0 && !this.#changed
    const left = this.#taken()
    return whole ? frame : left
  }

  /** What is left when nothing more comes. */
  finish(): Frame | undefined {
    for (const channel of this.#channels.values()) channel.end()
    this.#leave()
    return this.#taken()
  }

  #event(bytes: Buffer): void {
    const event = readEvent(bytes)
    const texts = event.data === '' ? undefined : this.#terms.dialect.textsOfEvent(event)
    const held: Held = { bytes, data: texts?.data ?? '', changed: [], undecided: [] }
    if (!texts) this.#readPlain(event.data)
    this.#held.push(held)
    this.#heldBytes += bytes.length
    for (const slot of texts?.texts ?? []) this.#text(held, slot)
    for (const channel of new Set(held.undecided)) channel.settle()
    this.#close(texts?.closes ?? [])
    this.#leave()
    while (this.#tooMuch()) this.#relieve()
    if (this.#channels.size > MAX_CHANNELS) this.#forget()
  }

  /** Where nothing would be held anyway the oldest event goes. Else what is undecided may be the middle of what must not pass. */
  #relieve(): void {
    const { watch, tally } = this.#terms
    const strict = [...watch.guards, ...watch.signed].find(({ action, shadow }) => action !== 'AllowAndLog' && !shadow)
    if (strict) tally.add(strict, UNDECIDED, 'Block')
    else this.#held[0]?.undecided[0]?.force()
    this.#leave()
  }

  /** What is no JSON cannot be masked: what a guardrail would mask there is blocked. */
  #readPlain(text: string): void {
    const guards = strictly(this.#terms.watch.guards)
    if (text !== '') judged({ text, form: 'string', signed: false }, { guards, signed: guards }, this.#terms.tally)
  }

  #text(held: Held, slot: StreamText): void {
    const { watch, tally } = this.#terms
    if (slot.form === 'number') {
      const text = judged(slot, watch, tally)
      if (text !== undefined) held.changed.push({ slot, text })
      return
    }
    const channel = this.#channel(slot, slot.form)
    held.undecided.push(channel)
    channel.push({
      text: slot.text,
      decided(text) {
        held.undecided.splice(held.undecided.indexOf(channel), 1)
        if (text !== slot.text) held.changed.push({ slot, text })
      },
    })
  }

  #channel({ channel: name, signed }: StreamText, form: 'string' | 'json'): RunningText {
    const known = this.#channels.get(name)
    if (known) return known
    const { watch, tally } = this.#terms
    const channel = new RunningText(form, signed ? watch.signed : watch.guards, tally)
    this.#channels.set(name, channel)
    return channel
  }

  #close(closes: readonly string[] | 'all'): void {
    if (closes !== 'all' && closes.length === 0) return
    for (const [name, channel] of this.#channels) {
      if (channel.waiting === 0) continue
      if (closes === 'all' || closes.some(closed => name === closed || name.startsWith(`${closed}/`))) channel.end()
    }
  }

  #tooMuch(): boolean {
    if (this.#held.length === 0) return false
    if (this.#heldBytes > MAX_WAITING_BYTES) return true
    let waiting = 0
    for (const channel of this.#channels.values()) waiting += channel.waiting
    return waiting > this.#terms.most
  }

  /** The decided events at the front. */
  #leave(): void {
    const { tally } = this.#terms
    if (tally.blocked) throw tally.refusal()
    let count = 0
    for (const held of this.#held) {
      if (held.undecided.length > 0) break
      this.#out.push(rewritten(held))
      this.#heldBytes -= held.bytes.length
      this.#changed ||= held.changed.length > 0
      count++
    }
    if (count > 0) this.#held = this.#held.slice(count)
  }

  #taken(): Frame | undefined {
    const [first] = this.#out
    const bytes = this.#out.length === 1 && first ? first : Buffer.concat(this.#out)
    this.#out = []
    this.#changed = false
    return bytes.length === 0 ? undefined : { bytes }
  }

  #forget(): void {
    for (const [name, channel] of this.#channels) {
      if (this.#channels.size <= MAX_CHANNELS / 2) return
      if (channel.waiting === 0) this.#channels.delete(name)
    }
  }
}

function rewritten({ bytes, data, changed }: Held): Buffer {
  return changed.length === 0 ? bytes : withData(bytes, splice(data, replacementsOf(changed)))
}
