import { describe, expect, it } from 'vitest'
import { Refusal } from '../../exchange/refusal.ts'
import type { Frame } from '../../exchange/reply.ts'
import * as openai from '../../llm/formats/openai-chat/lens.ts'
import { GuardedStream } from './reply-stream.ts'
import { GuardedWhole } from './reply-whole.ts'
import { Tally } from './tally.ts'
import { watching } from './test-guardrails.ts'

/** Gives frames, then ends or fails; counts how often it is left. */
class Source implements AsyncIterator<Frame, undefined> {
  left = 0
  readonly #frames: Frame[]
  readonly #failure: Error | undefined

  constructor(texts: readonly string[], failure?: Error) {
    this.#frames = texts.map(text => ({ bytes: Buffer.from(text) }))
    this.#failure = failure
  }

  async next(): Promise<IteratorResult<Frame, undefined>> {
    const value = this.#frames.shift()
    if (value) return { done: false, value }
    if (this.#failure) throw this.#failure
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<Frame, undefined>> {
    this.left++
    return { done: true, value: undefined }
  }
}

function chunk(content: string): string {
  return `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`
}

function body(content: string): string {
  return JSON.stringify({ choices: [{ index: 0, message: { content, tool_calls: [] } }], n: 1.0 }, null, 1)
}

const FORMS = { stream: GuardedStream, whole: GuardedWhole }

function guarded(
  form: keyof typeof FORMS,
  source: Source,
  action: 'Block' | 'Redact' = 'Block',
): { frames: AsyncIterator<Frame, undefined>; tally: Tally; over: () => number } {
  const watch = watching('reply', { action })
  const tally = new Tally(watch)
  let overs = 0
  const frames = new FORMS[form](source, {
    dialect: openai,
    watch,
    tally,
    most: 1_000,
    over: () => void overs++,
    words: error => error,
  })
  return { frames, tally, over: () => overs }
}

/** What passes, and the error that ends it. */
async function read(frames: AsyncIterator<Frame, undefined>): Promise<{ text: string; error: unknown }> {
  let text = ''
  try {
    for (let result = await frames.next(); result.done !== true; result = await frames.next())
      text += result.value.bytes.toString()
    return { text, error: undefined }
  } catch (error) {
    return { text, error }
  }
}

describe('a guarded stream', () => {
  it('that is blocked keeps what left, refuses, leaves its source once and is then over', async () => {
    const source = new Source([chunk('fine. '), chunk('XX'), chunk('XX. '), chunk('never read')])
    const { frames, over, tally } = guarded('stream', source)
    const { text, error } = await read(frames)
    expect(text).toBe(chunk('fine. '))
    expect(error).toBeInstanceOf(Refusal)
    expect(error).toMatchObject({
      reason: 'policy_blocked',
      detail: { violations: ['p/sensitive: card'], riskScore: 0.8 },
    })
    expect(await frames.next()).toMatchObject({ done: true })
    await frames.return?.()
    expect([source.left, over()]).toEqual([1, 1])
    expect(tally.verdict(undefined).action).toBe('block')
  })

  it('gives what waits when its source fails, then the failure', async () => {
    const { frames, over } = guarded('stream', new Source([chunk('half a wor')], new Error('broken')), 'Redact')
    const { text, error } = await read(frames)
    expect(text).toBe(chunk('half a wor'))
    expect(error).toMatchObject({ message: 'broken' })
    expect(over()).toBe(1)
  })

  it('that fails while something to be blocked waits is blocked', async () => {
    const { error } = await read(guarded('stream', new Source([chunk('XXXX')], new Error('broken'))).frames)
    expect(error).toMatchObject({ reason: 'policy_blocked' })
  })

  it('passes the refusal of an event that nobody can read', async () => {
    const source = new Source([`data: {"choices":${'['.repeat(1_000)}\n\n`])
    const { error } = await read(guarded('stream', source).frames)
    expect(error).toMatchObject({ reason: 'upstream_invalid' })
    expect(source.left).toBe(1)
  })
})

describe.each(['stream', 'whole'] as const)('a guarded reply (%s)', form => {
  it('that its reader leaves leaves its source once, begun or not', async () => {
    for (const begun of [true, false]) {
      const source = new Source(form === 'stream' ? [chunk('a '), chunk('b ')] : [body('a')])
      const { frames, over } = guarded(form, source)
      if (begun) await frames.next()
      await frames.return?.()
      await frames.return?.()
      expect(await frames.next()).toMatchObject({ done: true })
      expect([source.left, over()]).toEqual([1, 1])
    }
  })
})

describe('a guarded whole reply', () => {
  it('is masked and otherwise byte for byte', async () => {
    const { text } = await read(guarded('whole', new Source([body('say XXXX.')]), 'Redact').frames)
    expect(text).toBe(body('say [CARD].'))
  })

  it('in which nothing is found is the very frame', async () => {
    const frame = { bytes: Buffer.from(body('fine')) }
    const source = new Source([])
    source.next = async () =>
      frame.bytes.length > 0 && !passed++ ? { done: false, value: frame } : { done: true, value: undefined }
    let passed = 0
    expect((await guarded('whole', source).frames.next()).value).toBe(frame)
  })

  it('is read to its end before it is blocked, so that it is paid for', async () => {
    const source = new Source([body('XXXX').slice(0, 20), body('XXXX').slice(20)])
    const { frames, over } = guarded('whole', source)
    const { text, error } = await read(frames)
    expect([text, over()]).toEqual(['', 1])
    expect(error).toMatchObject({ reason: 'policy_blocked', status: 403 })
    expect(await source.next()).toMatchObject({ done: true })
  })
})
