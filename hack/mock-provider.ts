// A provider for `make cluster`: answers chat completions without a model. It listens on an address of this machine that
// a gateway in a cluster may call, which loopback is not.
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { machineAddress } from './machine-address.ts'

/** Undefined on a machine that has no address but loopback. `url` is a base URL. */
export async function startMockProvider(): Promise<{ url: string; stop: () => Promise<void> } | undefined> {
  const address = machineAddress()
  if (address === undefined) return undefined
  const server = createServer((request, response) => {
    void text(request).then(body => {
      const { model, stream }: { model?: string; stream?: boolean } = JSON.parse(body || '{}')
      response.setHeader('content-type', stream === true ? 'text/event-stream' : 'application/json')
      response.end(stream === true ? eventsOf(model) : JSON.stringify(completionOf(model)))
    })
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen(0, address, resolve)
  await promise
  server.unref()
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  const stop = async (): Promise<void> => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://${address}:${port}/v1`, stop }
}

const ANSWER = '[mock] This answer came through the gateway.'

function about(model: string | undefined, object: string) {
  return { id: 'chatcmpl-mock', object, created: 1_735_689_600, model: model ?? 'mock' }
}

function completionOf(model: string | undefined) {
  const message = { role: 'assistant', content: ANSWER }
  const usage = { prompt_tokens: 8, completion_tokens: 9, total_tokens: 17 }
  return { ...about(model, 'chat.completion'), choices: [{ index: 0, message, finish_reason: 'stop' }], usage }
}

function eventsOf(model: string | undefined): string {
  const choices = [
    { index: 0, delta: { role: 'assistant', content: ANSWER }, finish_reason: null },
    { index: 0, delta: {}, finish_reason: 'stop' },
  ]
  const events = choices.map(choice => ({ ...about(model, 'chat.completion.chunk'), choices: [choice] }))
  return [...events.map(event => `data: ${JSON.stringify(event)}\n\n`), 'data: [DONE]\n\n'].join('')
}
