import { afterEach, expect, it } from 'vitest'
import { type Probes, startProbes } from './probes.ts'

let probes: Probes
const sick: string[] = []
const unready: string[] = []

afterEach(() => probes.close())

async function start(text: () => Promise<string> = async () => 'a_metric 1\n'): Promise<void> {
  sick.length = 0
  unready.length = 0
  const metrics = { text, contentType: 'text/plain; version=0.0.4' }
  probes = await startProbes({ port: 0, host: '127.0.0.1', sick: () => sick, unready: () => unready, metrics })
}

async function get(path: string, method = 'GET'): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${probes.port}${path}`, { method })
  return [response.status, await response.text()]
}

it('says whether the operator lives and is ready, and what is missing', async () => {
  await start()
  expect(await get('/healthz')).toEqual([200, 'ok\n'])
  expect(await get('/readyz?verbose')).toEqual([200, 'ok\n'])
  unready.push('virtualkeys: HTTP 503', 'not synced')
  expect(await get('/readyz')).toEqual([503, 'virtualkeys: HTTP 503\nnot synced\n'])
  expect(await get('/healthz')).toEqual([200, 'ok\n'])
  sick.push('the loop is stuck')
  expect(await get('/healthz')).toEqual([503, 'the loop is stuck\n'])
})

it('serves the metrics, and nothing else', async () => {
  await start()
  expect(await get('/metrics')).toEqual([200, 'a_metric 1\n'])
  expect((await get('/'))[0]).toBe(404)
  expect((await get('/metrics', 'POST'))[0]).toBe(405)
})

it('answers also when the metrics cannot be read', async () => {
  await start(async () => {
    throw new Error('broken')
  })
  expect((await get('/metrics'))[0]).toBe(500)
})
