// The requests the load generator sends: ready-made HTTP text around a token that is new for every request, so that a
// cache on the way never answers by accident, and that the reply must carry, so that a mixed-up reply shows.

/** Where load goes; `url` is the chat completions endpoint, on the loopback address. */
export type LoadTarget = { url: string; model: string; key?: string | undefined; headers?: Record<string, string> }

/** What every prompt of a load has in common; `directives` go to the mock upstream as they are (see mock.ts). */
export type PromptOptions = {
  stream?: boolean
  directives?: string
  /** Send one and the same prompt every time: measures a cache. */
  repeat?: boolean
}

/** One HTTP request as latin1 text, and the token that its reply must contain. */
export type Prompt = { request: string; token: string }

const QUESTION =
  'Name three foxes of the old forest, say which of them is the quickest and why, and end with what the other two do ' +
  'while it rains. One short paragraph, no list, no heading.'

/** Throws unless `url` is plain HTTP to this machine: the bench never loads anybody else's server. */
export function loopbackUrl(url: string): URL {
  const parsed = new URL(url)
  if (parsed.protocol !== 'http:' || !['127.0.0.1', 'localhost', '[::1]'].includes(parsed.hostname)) {
    throw new Error(`load goes to this machine only (http, loopback), not to ${url}`)
  }
  return parsed
}

/** A maker of prompts; tokens are unique over calls and over makers (8 random characters and a counter of 8 digits). */
export function promptMaker(target: LoadTarget, options: PromptOptions = {}): () => Prompt {
  const { host, pathname, search } = loopbackUrl(target.url)
  const run = Math.random().toString(36).slice(2, 10).padEnd(8, '0')
  const stream = options.stream === true ? ',"stream":true,"stream_options":{"include_usage":true}' : ''
  const open =
    `{"model":${JSON.stringify(target.model)},"messages":[{"role":"system","content":"You are a helpful assistant ` +
    `who knows the forest well."},{"role":"user","content":"Case `
  const middle = `: ${QUESTION} [[mock ${options.directives ?? ''}${options.directives ? ' ' : ''}echo=`
  const close = `]]"}],"temperature":0.2,"max_tokens":256${stream}}`
  const length = open.length + middle.length + close.length + 2 * (run.length + 9)
  const headers = {
    host,
    'content-type': 'application/json',
    accept: options.stream === true ? 'text/event-stream' : 'application/json',
    'content-length': String(length),
    ...(target.key === undefined ? {} : { authorization: `Bearer ${target.key}` }),
    ...target.headers,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const before = `POST ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n${open}`
  let count = 0
  return () => {
    const token = `${run}-${String(options.repeat === true ? 0 : count++).padStart(8, '0')}`
    return { request: before + token + middle + token + close, token }
  }
}
