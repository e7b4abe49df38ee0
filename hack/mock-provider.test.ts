import { expect, test } from 'vitest'
import { startMockProvider } from './mock-provider.ts'

const mock = await startMockProvider()

test.skipIf(mock === undefined)('the mock provider answers whole and streamed, with the model asked for', async () => {
  const ask = async (stream: boolean): Promise<string> => {
    const body = JSON.stringify({ model: 'gpt-4o', stream, messages: [] })
    return (await fetch(`${mock?.url}/chat/completions`, { method: 'POST', body })).text()
  }
  expect(JSON.parse(await ask(false))).toMatchObject({
    model: 'gpt-4o',
    choices: [{ message: { content: expect.stringContaining('[mock]') as string } }],
    usage: { total_tokens: 17 },
  })
  expect(await ask(true)).toMatch(/^data: \{.*\n\ndata: \[DONE\]\n\n$/s)
  await mock?.stop()
})
