// An API server that answers badly: expired, frozen, late and broken watches, too many requests, errors for a while, a list
// that comes back empty. The operator serves on and catches up by itself; data planes never lose anything.
import { describe, expect } from 'vitest'
import { eventually } from '../e2e/gateway.ts'
import type { ApiProxy } from './api-proxy.ts'
import { comesAndGoes, neverNoticed, TENANT, tenantBehindProxy } from './chaos-tenant.ts'
import { create, key, remove } from './chaos-world.ts'
import { test } from './cluster-test.ts'
import { see } from './stack.ts'

let proxy: ApiProxy

const held = tenantBehindProxy(begun => {
  proxy = begun
})

describe('an API server in trouble', { timeout: 180_000 }, () => {
  const endTrouble = (): void => {
    proxy.rule = () => undefined
    proxy.delayMs = 0
  }
  neverNoticed(held, { endTrouble })

  test('says in every watch that its version is too old', async ({ cluster: _ }) => {
    await comesAndGoes(held, 'expired', () => proxy.expire())
    // The lists that follow are refused once more each.
    const refused = new Set<string>()
    proxy.rule = ({ plural, watch }) => {
      if (!watch || refused.has(plural)) return undefined
      refused.add(plural)
      return { code: 410, reason: 'Expired' }
    }
    await comesAndGoes(held, 'expired-again', () => proxy.drop())
    expect(refused).toContain('virtualkeys')
  })

  test('freezes the watches, and breaks them later', async ({ cluster: _ }) => {
    await comesAndGoes(held, 'frozen', async () => {
      // All that is to be told is told only to the next watch.
      expect(proxy.freeze('virtualkeys')).toBe(1)
      await create(held.world, key(TENANT, 'unseen'))
      await remove(held.world, 'virtualkeys', 'unseen', TENANT)
      proxy.drop('virtualkeys')
    })
  })

  test('tells events late', async ({ cluster: _ }) => {
    proxy.delayMs = 700
    await comesAndGoes(held, 'late')
  })

  test('has too many requests, and says when to come again', async ({ cluster: _ }) => {
    let left = 6
    proxy.rule = ({ method }) => {
      if (method === 'GET' || left === 0) return undefined
      left--
      return { code: 429, reason: 'TooManyRequests', retryAfter: 1 }
    }
    await comesAndGoes(held, 'busy')
    expect(left).toBe(0)
  })

  test('answers everything with errors for a while', async ({ cluster: _ }) => {
    const { world } = held
    await comesAndGoes(held, 'failed', async () => {
      proxy.rule = ({ plural }) => (plural === 'leases' ? undefined : { code: 500, reason: 'InternalError' })
      proxy.drop()
      const before = proxy.decided
      await eventually('it was asked again and again', () => proxy.decided > before + 20)
      expect(await see(world.cluster, 'virtualkeys', 'failed', TENANT)).toBeDefined()
      proxy.rule = () => undefined
    })
  })

  test('gives an empty list of namespaces', async ({ cluster: _ }) => {
    let lists = 0
    proxy.rule = ({ method, plural, watch }) => {
      if (plural !== 'namespaces' || method !== 'GET' || watch) return undefined
      lists++
      return lists === 1 ? { amend: emptied } : undefined
    }
    proxy.expire('namespaces')
    await eventually('it was listed, and listed again', () => lists > 1)
    await comesAndGoes(held, 'namespaced')
  })
})

function emptied(body: string): string {
  return JSON.stringify({ ...(JSON.parse(body) as object), items: [] })
}
