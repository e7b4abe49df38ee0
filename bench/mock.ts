// What the mock upstream answers, without any sockets: reading a chat request strictly, the directives inside its
// prompt, and the bytes of whole replies and of stream events. Everything written is ASCII, so length is bytes.

/**
 * What a prompt may ask of the mock with `[[mock name=value …]]` (the last one in the body counts):
 * chunks 1–100,000 (text pieces of a stream, words of a whole reply), delay (ms before each piece of a stream),
 * latency (ms before the head), stamp=1 (pieces read ` <seq>@<monotonic ns>`), status (answer this error instead),
 * retry (Retry-After seconds with it), bytes (least length of a whole reply's text, up to 16 MiB),
 * cut (close the connection after so many pieces; 0: before the head), echo (a token the whole reply starts with).
 */
export type Directives = {
  chunks: number
  delay: number
  latency: number
  stamp: number
  status: number
  retry: number
  bytes: number
  cut: number
  echo: string
}

/** A chat request that passed the checks. `promptTokens` counts four characters of message text as one. */
export type ChatAsk = {
  model: string
  stream: boolean
  includeUsage: boolean
  promptTokens: number
  directives: Directives
}

/** The request was wrong; `status` is what the mock answers. */
export class AskError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const DEFAULTS: Directives = {
  chunks: 20,
  delay: 0,
  latency: 0,
  stamp: 0,
  status: 200,
  retry: 0,
  bytes: 0,
  cut: -1,
  echo: '',
}

const LIMITS: Record<Exclude<keyof Directives, 'echo'>, readonly [number, number]> = {
  chunks: [1, 100_000],
  delay: [0, 60_000],
  latency: [0, 600_000],
  stamp: [0, 1],
  status: [200, 599],
  retry: [0, 86_400],
  bytes: [0, 16 * 1024 * 1024],
  cut: [0, 100_000],
}

const WORDS = ['Foxes', ' rest', ' under', ' the', ' old', ' oak', ' until', ' rain', ' stops', '.', ' ']

function isNumeric(name: string): name is keyof typeof LIMITS {
  return Object.hasOwn(LIMITS, name)
}

/** The directives in `text`; throws AskError 400 on an unknown name or a value out of range, so that no typo runs. */
function readDirectives(text: string): Directives {
  const open = text.lastIndexOf('[[mock ')
  if (open < 0) return DEFAULTS
  const close = text.indexOf(']]', open)
  if (close < 0) throw new AskError(400, 'mock directive is not closed')
  const found = { ...DEFAULTS }
  for (const pair of text
    .slice(open + 7, close)
    .trim()
    .split(' ')) {
    const eq = pair.indexOf('=')
    setDirective(found, pair.slice(0, eq), pair.slice(eq + 1))
  }
  return found
}

function setDirective(into: Directives, name: string, value: string): void {
  if (name === 'echo') {
    if (!/^[\w-]{1,64}$/.test(value)) throw new AskError(400, 'mock directive echo: 1 to 64 of A-Z a-z 0-9 _ -')
    into.echo = value
    return
  }
  if (!isNumeric(name)) throw new AskError(400, `mock directive is not known: ${name.slice(0, 40)}`)
  const [least, most] = LIMITS[name]
  const number = value === '' ? Number.NaN : Number(value)
  if (!(number >= least && number <= most)) throw new AskError(400, `mock directive ${name}: ${least} to ${most}`)
  into[name] = number
}

type Loose = Record<string, unknown>

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads the body of POST /v1/chat/completions; throws AskError 400 on anything a provider would refuse. */
export function readAsk(body: string): ChatAsk {
  const ask = parseObject(body)
  const { model, messages, stream = false, stream_options: options } = ask
  if (typeof model !== 'string' || model === '') throw new AskError(400, 'model must be a non-empty string')
  if (!Array.isArray(messages) || messages.length === 0) throw new AskError(400, 'messages must be a non-empty array')
  if (typeof stream !== 'boolean') throw new AskError(400, 'stream must be true or false')
  if (isObject(options) && !stream) throw new AskError(400, 'stream_options is only allowed when stream is true')
  let characters = 0
  for (const message of messages) characters += messageLength(message)
  return {
    model,
    stream,
    includeUsage: isObject(options) && options['include_usage'] === true,
    promptTokens: Math.ceil(characters / 4),
    directives: readDirectives(body),
  }
}

function parseObject(body: string): Loose {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new AskError(400, 'body is not JSON')
  }
  if (!isObject(value)) throw new AskError(400, 'body is not a JSON object')
  return value
}

function messageLength(message: unknown): number {
  if (!isObject(message) || typeof message['role'] !== 'string') throw new AskError(400, 'each message needs a role')
  const content = message['content']
  if (typeof content === 'string') return content.length
  if (Array.isArray(content)) return content.reduce((sum: number, part) => sum + partLength(part), 0)
  if (content === null || content === undefined) return 0
  throw new AskError(400, 'content must be a string, an array of parts or null')
}

function partLength(part: unknown): number {
  if (!isObject(part) || typeof part['type'] !== 'string') throw new AskError(400, 'each content part needs a type')
  return typeof part['text'] === 'string' ? part['text'].length : 0
}

/** `value` as a JSON string of ASCII only. */
function quote(value: string): string {
  return JSON.stringify(value).replace(/[\u0080-\uffff]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** An error body in the form of the OpenAI API. */
export function errorBody(status: number, message: string): string {
  const type = status < 500 ? (status === 429 ? 'rate_limit_error' : 'invalid_request_error') : 'server_error'
  return `{"error":{"message":${quote(`mock: ${message}`)},"type":"${type}","param":null,"code":null}}`
}

function wholeText(directives: Directives): string {
  let text = directives.echo
  for (let i = 0; i < directives.chunks; i++) text += WORDS[i % WORDS.length]
  while (text.length < directives.bytes) text += ' and so they rest until the rain stops'
  return text
}

/** The `usage` object that goes with `ask`: a piece of text is one completion token. */
function usageOf(ask: ChatAsk): string {
  const { promptTokens, directives } = ask
  return (
    `{"prompt_tokens":${promptTokens},"completion_tokens":${directives.chunks},` +
    `"total_tokens":${promptTokens + directives.chunks},"prompt_tokens_details":{"cached_tokens":0},` +
    `"completion_tokens_details":{"reasoning_tokens":0}}`
  )
}

function created(): number {
  return Math.floor(Date.now() / 1000)
}

/** A whole `chat.completion`; `serial` makes its id. */
export function wholeBody(ask: ChatAsk, serial: number): string {
  return (
    `{"id":"chatcmpl-mock${serial}","object":"chat.completion","created":${created()},"model":${quote(ask.model)},` +
    `"choices":[{"index":0,"message":{"role":"assistant","content":${quote(wholeText(ask.directives))},` +
    `"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":${usageOf(ask)},"system_fingerprint":"fp_mock"}`
  )
}

/** The events of one stream as SSE text: the opening, the text pieces by number, and the end with usage and [DONE]. */
export type StreamText = { opening: string; piece(seq: number): string; ending: string }

/** Writes the stream for `ask`. A stamped piece reads the clock when it is asked for, so ask when it is sent. */
export function streamText(ask: ChatAsk, serial: number): StreamText {
  const { stamp, echo } = ask.directives
  const lead =
    `data: {"id":"chatcmpl-mock${serial}","object":"chat.completion.chunk","created":${created()},` +
    `"model":${quote(ask.model)},"system_fingerprint":"fp_mock","choices":[`
  const tail = ask.includeUsage ? '],"usage":null}\n\n' : ']}\n\n'
  const before = `${lead}{"index":0,"delta":{"content":"`
  const after = `"},"logprobs":null,"finish_reason":null}${tail}`
  const usage = ask.includeUsage ? `${lead}],"usage":${usageOf(ask)}}\n\n` : ''
  return {
    opening:
      `${lead}{"index":0,"delta":{"role":"assistant","content":"${echo}"},` +
      `"logprobs":null,"finish_reason":null}${tail}`,
    piece: seq =>
      before + (stamp === 1 ? ` ${seq}@${process.hrtime.bigint()}` : (WORDS[seq % WORDS.length] ?? '')) + after,
    ending: `${lead}{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}${tail}${usage}data: [DONE]\n\n`,
  }
}
