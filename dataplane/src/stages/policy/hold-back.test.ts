import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Dialect } from '../../exchange/dialect.ts'
import { Refusal } from '../../exchange/refusal.ts'
import { readEvent, splitEvents } from '../../exchange/sse.ts'
import * as anthropic from '../../llm/formats/anthropic-messages/lens.ts'
import * as openai from '../../llm/formats/openai-chat/lens.ts'
import { verifies } from '../../../../test/requirements.ts'
import { HoldBack } from './hold-back.ts'
import { Tally } from './tally.ts'
import { maskedText, watching } from './test-guardrails.ts'

type Lens = Pick<Dialect, 'textsOfEvent'>
type Kind = 'text' | 'tool'

/** How a dialect says a piece of a channel, and its end. */
interface Speaker {
  readonly lens: Lens
  readonly piece: (channel: number, kind: Kind, text: string) => object
  readonly close: (channel: number) => object
}

const SPEAKERS: Readonly<Record<string, Speaker>> = {
  openai: {
    lens: openai,
    piece: (index, kind, text) => ({
      choices: [
        {
          index,
          delta: kind === 'text' ? { content: text } : { tool_calls: [{ index: 0, function: { arguments: text } }] },
          finish_reason: null,
        },
      ],
    }),
    close: index => ({ choices: [{ index, delta: {}, finish_reason: 'stop' }] }),
  },
  anthropic: {
    lens: anthropic,
    piece: (index, kind, text) => ({
      type: 'content_block_delta',
      index,
      delta: kind === 'text' ? { type: 'text_delta', text } : { type: 'input_json_delta', partial_json: text },
    }),
    close: index => ({ type: 'content_block_stop', index }),
  },
}

function event(data: object): Buffer {
  return Buffer.from(`event: x\ndata: ${JSON.stringify(data)}\n\n`)
}

const word = fc.constantFrom('hello', 'XXX', 'XXXXX', '@', 'a.b', '"', '\\', '🙂', 'é', 'x@y', '7', '\n')
const planted = fc.constantFrom('XXXX', 'joe@ex.org', 'j.doe@mail.com')
const gap = fc.constantFrom(' ', ', ', '; ', ' (')
const prose = fc
  .array(fc.tuple(fc.oneof({ arbitrary: word, weight: 3 }, { arbitrary: planted, weight: 1 }), gap), { maxLength: 12 })
  .map(parts => parts.flat().join(''))

/** Any letter may be spelt as an escape. */
function spelt(text: string, escape: boolean): string {
  return escape ? text.replaceAll('@', String.raw`\u0040`).replaceAll('X', String.raw`\u0058`) : text
}

interface Said {
  readonly kind: Kind
  readonly plain: string
  /** What is sent on the channel. */
  readonly raw: string
}

const said: fc.Arbitrary<Said> = fc
  .record({ kind: fc.constantFrom('text', 'tool'), plain: prose, escape: fc.boolean() })
  .map(({ kind, plain, escape }) => ({
    kind,
    plain,
    raw: kind === 'text' ? plain : spelt(JSON.stringify({ n: [1], note: plain }), escape),
  }))

const LONGEST_PIECE = 9

/** Channels, cut into pieces of random length, in a random order, in random frames. */
const streams = fc.record({
  channels: fc.array(said, { minLength: 1, maxLength: 3 }),
  lengths: fc.array(fc.integer({ min: 1, max: LONGEST_PIECE }), { minLength: 1, maxLength: 40 }),
  order: fc.array(fc.nat(), { minLength: 1, maxLength: 40 }),
  perFrame: fc.integer({ min: 1, max: 4 }),
})
type Stream = typeof streams extends fc.Arbitrary<infer T> ? T : never

function eventsOf({ piece, close }: Speaker, { channels, lengths, order }: Stream): Buffer[] {
  const rest = channels.map(({ raw }) => raw)
  const events: Buffer[] = []
  for (let step = 0; rest.some(text => text !== ''); step++) {
    const open = [...rest.keys()].filter(index => rest[index] !== '')
    const index = open[(order[step % order.length] ?? 0) % open.length] ?? 0
    const length = lengths[step % lengths.length] ?? 1
    events.push(event(piece(index, channels[index]?.kind ?? 'text', rest[index]?.slice(0, length) ?? '')))
    rest[index] = rest[index]?.slice(length) ?? ''
    if (rest[index] === '') events.push(event(close(index)))
  }
  return events
}

function holdBack(
  lens: Lens,
  action: 'Block' | 'Redact' | 'AllowAndLog',
  most = 10_000,
): { hold: HoldBack; tally: Tally } {
  const watch = watching('reply', { action })
  const tally = new Tally(watch)
  return { hold: new HoldBack({ dialect: lens, watch, tally, most }), tally }
}

/** All that leaves, as events; `refused` when it was blocked. */
function pass(
  hold: HoldBack,
  events: readonly Buffer[],
  perFrame: number,
): { left: Buffer[]; refused: Refusal | undefined } {
  const left: Buffer[] = []
  try {
    for (let at = 0; at < events.length; at += perFrame) {
      const frame = hold.push({ bytes: Buffer.concat(events.slice(at, at + perFrame)) })
      if (frame) left.push(...splitEvents(frame.bytes))
    }
    const frame = hold.finish()
    if (frame) left.push(...splitEvents(frame.bytes))
    return { left, refused: undefined }
  } catch (error) {
    if (error instanceof Refusal) return { left, refused: error }
    throw error
  }
}

/** Text by channel number. */
function heard(lens: Lens, events: readonly Buffer[]): Map<string, string> {
  const texts = new Map<string, string>()
  for (const bytes of events) {
    for (const { channel, text } of lens.textsOfEvent(readEvent(bytes))?.texts ?? []) {
      const index = channel.split('/')[0] ?? ''
      texts.set(index, (texts.get(index) ?? '') + text)
    }
  }
  return texts
}

const OPTIONS = { numRuns: 100 }

describe.each(Object.keys(SPEAKERS))('a stream of the %s dialect, however it was cut', name => {
  const speaker = SPEAKERS[name]
  if (!speaker) throw new Error('no such speaker')
  const { lens } = speaker

  it(`reads masked as the whole text does, and tool arguments stay JSON ${verifies('P03')}`, () => {
    fc.assert(
      fc.property(streams, stream => {
        const events = eventsOf(speaker, stream)
        const { left } = pass(holdBack(lens, 'Redact').hold, events, stream.perFrame)
        const texts = heard(lens, left)
        for (const [index, { kind, plain, raw }] of stream.channels.entries()) {
          const text = texts.get(String(index)) ?? ''
          if (kind === 'text') expect(text).toBe(maskedText(raw))
          else expect(JSON.parse(text)).toEqual({ n: [1], note: maskedText(plain) })
        }
      }),
      OPTIONS,
    )
  })

  it('keeps its events, their order, and the bytes of those whose text stays', () => {
    fc.assert(
      fc.property(streams, stream => {
        const events = eventsOf(speaker, stream)
        const { left } = pass(holdBack(lens, 'Redact').hold, events, stream.perFrame)
        expect(left).toHaveLength(events.length)
        for (const [index, bytes] of left.entries()) {
          const before = heard(lens, [events[index] ?? bytes])
          const after = heard(lens, [bytes])
          if (JSON.stringify([...before]) === JSON.stringify([...after])) expect(bytes).toEqual(events[index])
          else expect(readEvent(bytes).event).toBe('x')
        }
      }),
      OPTIONS,
    )
  })

  it('gives nothing of what is to be blocked, and all of what is only recorded', () => {
    fc.assert(
      fc.property(streams, stream => {
        const events = eventsOf(speaker, stream)
        const bad = stream.channels.some(({ plain }) => maskedText(plain) !== plain)
        const { left, refused } = pass(holdBack(lens, 'Block').hold, events, stream.perFrame)
        expect(refused?.reason).toBe(bad ? 'policy_blocked' : undefined)
        const texts = heard(lens, left)
        for (const [index, { kind, raw }] of stream.channels.entries()) {
          const text = texts.get(String(index)) ?? ''
          expect(raw.startsWith(text)).toBe(true)
          expect(text).not.toMatch(/joe@ex.org|j.doe@mail.com|joe.u0040ex.org|j.doe.u0040mail.com/)
          if (kind === 'text') expect(maskedText(raw).startsWith(text)).toBe(true)
        }
        const { hold, tally } = holdBack(lens, 'AllowAndLog')
        expect(Buffer.concat(pass(hold, events, stream.perFrame).left)).toEqual(Buffer.concat(events))
        expect(tally.verdict(undefined).action).toBe(bad ? 'log' : 'allow')
      }),
      OPTIONS,
    )
  })

  it('never makes more wait than it may, and loses nothing, where it only notes', () => {
    fc.assert(
      fc.property(streams, fc.integer({ min: 1, max: 30 }), (stream, most) => {
        const events = eventsOf(speaker, { ...stream, channels: stream.channels.slice(0, 1) })
        const { hold } = holdBack(lens, 'AllowAndLog', most)
        let pushed = 0
        let gone = 0
        const left: Buffer[] = []
        for (const bytes of events) {
          for (const text of heard(lens, [bytes]).values()) pushed += text.length
          const frame = hold.push({ bytes })
          const out = frame ? splitEvents(frame.bytes) : []
          for (const [index] of out.entries())
            for (const text of heard(lens, [events[left.length + index] ?? bytes]).values()) gone += text.length
          left.push(...out)
          expect(pushed - gone).toBeLessThanOrEqual(most + LONGEST_PIECE)
        }
        const frame = hold.finish()
        left.push(...(frame ? splitEvents(frame.bytes) : []))
        expect(left).toHaveLength(events.length)
      }),
      OPTIONS,
    )
  })
})

describe('a stream', () => {
  const speak = SPEAKERS['openai']
  if (!speak) throw new Error('no such speaker')

  it('in which nothing waits and nothing is found passes as the very frames that came', () => {
    const { hold } = holdBack(openai, 'Redact')
    for (const text of ['Hello, ', 'world! ']) {
      const frame = { bytes: Buffer.concat([event(speak.piece(0, 'text', text)), Buffer.from(': ping\n\n')]) }
      expect(hold.push(frame)).toBe(frame)
    }
  })

  it('lets a word go as soon as it has ended', () => {
    const { hold } = holdBack(openai, 'Redact')
    expect(hold.push({ bytes: event(speak.piece(0, 'text', 'XX')) })).toBeUndefined()
    expect(hold.push({ bytes: event(speak.piece(0, 'text', 'XX')) })).toBeUndefined()
    const texts = heard(
      openai,
      splitEvents(hold.push({ bytes: event(speak.piece(0, 'text', '. ')) })?.bytes ?? Buffer.alloc(0)),
    )
    expect(texts.get('0')).toBe('[CARD]. ')
  })

  it('loses the log probabilities of what was masked, and only those', () => {
    const { hold } = holdBack(openai, 'Redact')
    const chunk = (content: string): Buffer =>
      event({ choices: [{ index: 0, delta: { content }, logprobs: { content: [{ token: content }] } }] })
    const { left } = pass(hold, [chunk('XXXX'), chunk(' fine.')], 1)
    expect(left[0]?.toString()).toContain('"logprobs":null')
    expect(left.join('')).not.toContain('XXXX')
    expect(left[1]).toEqual(chunk(' fine.'))
  })

  it('is not read anew for a number in a tool input, which becomes a string', () => {
    const watch = watching('reply', { action: 'Redact' })
    const guards = watch.guards.map(guard => ({
      ...guard,
      inspector: {
        find: (text: string) => (text === '4111' ? [{ start: 0, end: 4, entity: 'card' }] : []),
        open: () => 0,
      },
    }))
    const tally = new Tally(watch)
    const hold = new HoldBack({ dialect: anthropic, watch: { ...watch, guards }, tally, most: 100 })
    const start = { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', input: { card: 4_111 } } }
    const { left } = pass(hold, [event(start), event({ type: 'message_stop' })], 1)
    expect(readEvent(left[0] ?? Buffer.alloc(0)).data).toContain('"input":{"card":"[CARD]"}')
  })

  it('whose events are no JSON is blocked where they hold what would be masked', () => {
    const bad = pass(holdBack(openai, 'Redact').hold, [Buffer.from('data: mail joe@ex.org \n\n')], 1)
    expect(bad.refused?.message).toMatch(/"sensitive" of the policy "p" found email/)
    expect(pass(holdBack(openai, 'Redact').hold, [Buffer.from('data: still here\n\n')], 1).left).toHaveLength(1)
  })

  it('with a run that never ends is blocked beyond the bounds, and judged as it stands where it is only noted', () => {
    const bytes = event(speak.piece(0, 'text', 'Y'.repeat(400_000)))
    const noting = holdBack(openai, 'AllowAndLog', 100_000_000).hold
    expect(noting.push({ bytes })).toBeUndefined()
    expect(noting.push({ bytes })).toBeUndefined()
    expect(noting.push({ bytes })?.bytes.length).toBe(bytes.length)
    for (const action of ['Redact', 'Block'] as const) {
      const many = holdBack(openai, action, 100_000_000).hold
      expect(many.push({ bytes })).toBeUndefined()
      expect(many.push({ bytes })).toBeUndefined()
      expect(() => many.push({ bytes })).toThrow(/compliance/)
      const long = holdBack(openai, action, 1_000).hold
      expect(() => long.push({ bytes })).toThrow(/compliance/)
    }
  })

  it('finds what begins in text that had to go already, and masks the rest of it', () => {
    const { hold } = holdBack(openai, 'Redact', 4)
    const { left } = pass(
      hold,
      ['joe@', 'ex.o', 'rg '].map(text => event(speak.piece(0, 'text', text))),
      1,
    )
    const text = heard(openai, left).get('0') ?? ''
    expect(text).not.toContain('joe@ex.org')
  })

  it('with a broken guardrail is blocked or passes, as the guardrail says, and both are on record', () => {
    for (const [onError, action] of [
      ['Block', 'block'],
      ['Allow', 'log'],
    ] as const) {
      const watch = watching('reply', { name: 'broken', onError })
      const tally = new Tally(watch)
      const { refused } = pass(
        new HoldBack({ dialect: openai, watch, tally, most: 100 }),
        [event(speak.piece(0, 'text', 'a b'))],
        1,
      )
      expect(refused?.reason).toBe(onError === 'Block' ? 'policy_blocked' : undefined)
      const verdict = tally.verdict(undefined)
      expect(verdict.action).toBe(action)
      expect(verdict.violations[0]).toMatchObject({ entity: 'error', guardrail: 'broken' })
    }
  })
})
