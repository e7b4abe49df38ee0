// Plain HTTP calls at a gateway, for tests that look at the bytes, statuses and headers themselves.

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON; undefined when it is none. */
  readonly json: Body | undefined
  /** From the first byte of the call to the last of its answer, milliseconds. */
  readonly ms: number
}

/** The members that tests look at. */
export interface Body {
  readonly error?: {
    readonly code: string | null
    readonly type: string
    readonly message: string
    readonly retry_after?: number
  }
  readonly [member: string]: unknown
}

/** A request body for `model` with one user message. */
export function chat(model: string, content = 'Hello', more: object = {}): object {
  return { model, messages: [{ role: 'user', content }], ...more }
}

/** POST /v1/chat/completions. Rejects only when there is no answer at all. */
export function ask(
  proxy: string,
  token: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return send(`${proxy}/v1/chat/completions`, token, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

/** GET of any address. */
export function get(url: string, token = ''): Promise<Answer> {
  return send(url, token, { method: 'GET', headers: {} })
}

interface Sent {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

async function send(url: string, token: string, { method, headers, body }: Sent): Promise<Answer> {
  const startedAt = performance.now()
  const authorization = token === '' ? undefined : { authorization: `Bearer ${token}` }
  const response = await fetch(url, {
    method,
    headers: { ...headers, ...authorization },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: parse(text),
    ms: performance.now() - startedAt,
  }
}

function parse(text: string): Body | undefined {
  try {
    return JSON.parse(text) as Body
  } catch {
    return undefined
  }
}
