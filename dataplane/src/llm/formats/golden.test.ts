// Golden files of the translation: testdata/{requests,streams,replies}/*.in.json → what stands beside each. After an
// intended change run with UPDATE_GOLDEN=1 and read the difference.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Call } from '../../exchange/call.ts'
import type { FormatName } from '../../exchange/dialect.ts'
import { Refusal } from '../../exchange/refusal.ts'
import { splitEvents } from '../../exchange/sse.ts'
import { StreamTranslator, translatedWhole, translateReply, translateRequest } from '../translate.ts'
import { readMessages } from './anthropic-messages/read.ts'
import { FORMATS } from './formats.ts'
import { readChat } from './openai-chat/read.ts'

const FOLDER = new URL('./testdata/', import.meta.url)
const UPDATE = process.env['UPDATE_GOLDEN'] === '1'

interface RequestCase {
  readonly from: FormatName
  readonly to: FormatName
  readonly model: string
  readonly streamUsage: boolean
  readonly headers: Record<string, string>
  readonly body: object
}

interface ReplyCase {
  readonly caller: FormatName
  readonly provider: FormatName
  readonly body: object
  readonly reply: object
}

function cases(kind: string): string[] {
  const files = readdirSync(new URL(`${kind}/`, FOLDER))
  return files.filter(file => file.endsWith('.in.json')).map(file => file.slice(0, -'.in.json'.length))
}

function given(file: string): string {
  return readFileSync(new URL(file, FOLDER), 'utf8')
}

function expectGolden(file: string, text: string): void {
  if (UPDATE) writeFileSync(new URL(file, FOLDER), text)
  expect(text).toBe(given(file))
}

function pretty(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

function callOf(format: FormatName, body: object, headers: Record<string, string> = {}): Call {
  const bytes = Buffer.from(JSON.stringify(body))
  return format === 'openai-chat' ? readChat(bytes, headers) : readMessages(bytes, headers)
}

/** What it gives, or how it was refused. */
function outcome(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { refused: error.reason, param: error.detail.param, message: error.message }
  }
}

beforeAll(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1), toFake: ['Date'] })
})
afterAll(() => {
  vi.useRealTimers()
})

describe('a request becomes what the golden file says', () => {
  it.each(cases('requests'))('%s', name => {
    const { from, to, model, streamUsage, headers, body }: RequestCase = JSON.parse(given(`requests/${name}.in.json`))
    const out = outcome(() => {
      const call = callOf(from, body, headers)
      const translated = translateRequest(call, FORMATS[from], FORMATS[to], { model, streamUsage })
      return { ...translated, body: JSON.parse(translated.body.toString()) }
    })
    expectGolden(`requests/${name}.out.json`, pretty(out))
  })
})

describe('a stream becomes what the golden files say', () => {
  it.each(cases('streams'))('%s', name => {
    const { caller, provider, body }: ReplyCase = JSON.parse(given(`streams/${name}.in.json`))
    const direction = {
      caller: FORMATS[caller],
      provider: FORMATS[provider],
      call: callOf(caller, body),
      providerName: 'acme',
    }
    const events = splitEvents(Buffer.from(given(`streams/${name}.provider.sse`)))
    const translator = new StreamTranslator(direction)
    const parts = [...events.map(event => translator.push(event)), translator.end()]
    expectGolden(`streams/${name}.caller.sse`, Buffer.concat(parts).toString())

    const inOne = new StreamTranslator(direction)
    expect(Buffer.concat([inOne.push(Buffer.concat(events)), inOne.end()])).toEqual(Buffer.concat(parts))

    const meter = FORMATS[provider].streamMeter({ provider: 'acme', promptTokens: 0, count: () => 0 })
    for (const event of events) meter.add(event)
    const whole = translatedWhole(meter.whole(), direction)
    expectGolden(`streams/${name}.whole.json`, pretty(whole === undefined ? null : JSON.parse(whole.toString())))
  })
})

describe('a whole reply becomes what the golden file says', () => {
  it.each(cases('replies'))('%s', name => {
    const { caller, provider, body, reply }: ReplyCase = JSON.parse(given(`replies/${name}.in.json`))
    const out = outcome(() => {
      const call = callOf(caller, body)
      const direction = { caller: FORMATS[caller], provider: FORMATS[provider], call, providerName: 'acme' }
      return JSON.parse(translateReply(Buffer.from(JSON.stringify(reply)), direction).toString())
    })
    expectGolden(`replies/${name}.out.json`, pretty(out))
  })
})
