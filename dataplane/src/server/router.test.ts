import { describe, expect, it } from 'vitest'
import { Refusal } from '../exchange/refusal.ts'
import type { ApiRoute, ListenerName, Route } from '../exchange/route.ts'
import { Router } from './router.ts'

function route(method: ApiRoute['method'], path: string, listeners: readonly ListenerName[] = ['proxy']): ApiRoute {
  return { kind: 'api', listeners, method, path, access: 'public', answer: () => ({ status: 200, body: {} }) }
}

const models = route('GET', '/v1/models')
const model = route('GET', '/v1/models/:model')
const remove = route('DELETE', '/v1/models/:model')
const chat = route('POST', '/v1/chat/completions')
const root = route('GET', '/')
const logs = route('GET', '/api/vas/logs', ['management'])
const health = route('GET', '/health', ['proxy', 'management'])
const ROUTES: readonly Route[] = [models, model, remove, chat, root, logs, health]

const proxy = new Router(ROUTES, new Set(['proxy']))

function refusal(router: Router, method: string, path: string): Refusal {
  try {
    router.find(method, path)
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
  throw new Error(`${method} ${path} was found`)
}

describe('Router', () => {
  it('finds a path as it is written, and with one slash behind it', () => {
    expect(proxy.find('GET', '/v1/models')).toEqual({ route: models, params: {} })
    expect(proxy.find('GET', '/v1/models/')).toEqual({ route: models, params: {} })
    expect(proxy.find('POST', '/v1/chat/completions').route).toBe(chat)
    expect(proxy.find('GET', '/').route).toBe(root)
  })

  it('gives a parameter decoded, and the last one with the rest of the path: model names hold slashes', () => {
    expect(proxy.find('GET', '/v1/models/gpt-4o').params).toEqual({ model: 'gpt-4o' })
    expect(proxy.find('GET', '/v1/models/meta-llama/Llama-3%201').params).toEqual({ model: 'meta-llama/Llama-3 1' })
    expect(proxy.find('DELETE', '/v1/models/x').route).toBe(remove)
  })

  it('finds the GET route for HEAD', () => {
    expect(proxy.find('HEAD', '/v1/models').route).toBe(models)
    expect(proxy.find('HEAD', '/v1/models/x').route).toBe(model)
  })

  it.each([
    '',
    'v1/models',
    '//v1/models',
    '/v1//models',
    '/v1/models//',
    '/v1/./models',
    '/v1/../v1/models',
    '/%2e%2e/v1/models',
    '/v1%2fmodels',
    '/V1/MODELS',
    '/v1/models;a=b',
    '/v1/models%00',
    'http://host/v1/models',
    '*',
    '/v1',
    '/__proto__',
    '/constructor',
  ])('does not know %j: nothing is made of a path but what it says', path => {
    expect(refusal(proxy, 'GET', path).reason).toBe('route_not_found')
  })

  it('does not know the routes of other listeners, and knows all of them on one port', () => {
    expect(refusal(proxy, 'GET', '/api/vas/logs').reason).toBe('route_not_found')
    const single = new Router(ROUTES, new Set(['proxy', 'management']))
    expect(single.find('GET', '/api/vas/logs').route).toBe(logs)
    expect(single.find('GET', '/health').route).toBe(health)
  })

  it.each([
    ['POST', '/v1/models', ['GET', 'HEAD']],
    ['GET', '/v1/chat/completions', ['POST']],
    ['HEAD', '/v1/chat/completions/', ['POST']],
    ['OPTIONS', '/v1/models/x', ['GET', 'HEAD', 'DELETE']],
    ['toString', '/v1/models', ['GET', 'HEAD']],
  ])('says which methods a path has when %s %s is not among them', (method, path, allow) => {
    const { reason, detail, message } = refusal(proxy, method, path)
    expect(reason).toBe('method_not_allowed')
    expect(detail.allow).toEqual(allow)
    expect(message).toContain(allow.join(' or '))
  })

  it('refuses an escape that is none, and shows no more than the beginning of a long path', () => {
    expect(refusal(proxy, 'GET', '/v1/models/%zz').reason).toBe('route_not_found')
    expect(refusal(proxy, 'GET', `/${'x'.repeat(30_000)}`).message.length).toBeLessThan(300)
  })
})
