// The lookup view: what it finds, what it takes over from the view before, and that building it leaves the event loop
// alone.
import { describe, expect, test } from 'vitest'
import type { Item } from './items.ts'
import { Keyring, SealError } from './keyring.ts'
import { PACER_STRETCH_MS, type PacerClock, systemPacerClock } from './pacer.ts'
import { type SnapshotData, snapshotData } from './snapshot-data.ts'
import { testCompiled, testKey, testKeyring, testPolicy, testTenant, testToken } from './test-world.ts'
import { buildView } from './view.ts'

const dataOf = (tenants: Record<string, Item[]>, generation = 1): SnapshotData =>
  snapshotData(testCompiled(tenants), 1, generation)
const twoTenants = {
  red: testTenant('red', [testKey('red', 1)]),
  blue: testTenant('blue', [testKey('blue', 2, { suspended: true })]),
}

describe('a view', () => {
  test('finds the key behind a token, and its tenant', async () => {
    const view = await buildView(dataOf(twoTenants), { keyring: testKeyring })
    expect(view.tenantNames()).toEqual(['blue', 'red'])
    expect(view.findKey(testToken(1))).toMatchObject({ key: { alias: 'key-1' }, tenant: { item: { name: 'red' } } })
    expect(view.findKey(testToken(2))).toMatchObject({ key: { suspended: true }, tenant: { item: { name: 'blue' } } })
    for (const token of [testToken(3), '', 'sk-sf-', ` ${testToken(1)}`]) expect(view.findKey(token)).toBeUndefined()
  })

  test("finds a key only by a token that its tenant's key proves, not by the lookup id alone", async () => {
    const forged = {
      ...testKey('red', 1),
      secrets: [{ keyId: testKeyring.keyId(testToken(7)), hash: testKeyring.hash('blue', testToken(7)) }],
    }
    const view = await buildView(dataOf({ red: testTenant('red', [forged]) }), { keyring: testKeyring })
    expect(view.findKey(testToken(7))).toBeUndefined()
  })

  test('tells two tokens apart that share a lookup id', async () => {
    const { keyId } = testKey('red', 1).secrets[0] ?? { keyId: '' }
    const twin = { ...testKey('red', 2), secrets: [{ keyId, hash: testKeyring.hash('red', 'something else') }] }
    const view = await buildView(dataOf({ red: testTenant('red', [twin, testKey('red', 1)]) }), {
      keyring: testKeyring,
    })
    expect(view.findKey(testToken(1))?.key.alias).toBe('key-1')
  })

  test('has policies in the order of their weight, and everything else by name', async () => {
    const more = [testPolicy('also-high', 2), testPolicy('top', 9)]
    const view = await buildView(dataOf({ red: testTenant('red', more) }), { keyring: testKeyring })
    const red = view.tenant('red')
    expect(red?.policies.map(policy => policy.name)).toEqual(['top', 'also-high', 'high', 'low'])
    expect(red?.team('search')?.budget?.amount).toBe(5_000_000)
    expect(red?.team('nobody')).toBeUndefined()
    expect(red?.providers.get('main')?.preset).toBe('acme')
    expect(red?.chains).toHaveLength(1)
    expect(view.tenant('nobody')).toBeUndefined()
  })

  test("opens credentials with the tenant's key and no other", async () => {
    const view = await buildView(dataOf(twoTenants), { keyring: testKeyring })
    expect(view.tenant('red')?.credential('main')).toBe('credential of red')
    expect(view.tenant('red')?.credential('main')).toBe('credential of red')
    expect(view.tenant('red')?.credential('nobody')).toBeUndefined()
    const stranger = await buildView(dataOf(twoTenants), { keyring: Keyring.fromMaster(Buffer.alloc(32, 9)) })
    expect(() => stranger.tenant('red')?.credential('main')).toThrow(SealError)
    expect(stranger.findKey(testToken(1))).toBeUndefined()
  })

  test('changes its policy version with the policies, and with nothing else', async () => {
    const versionOf = async (...more: Item[]) =>
      (await buildView(dataOf({ red: testTenant('red', more) }), { keyring: testKeyring })).tenant('red')?.policyVersion
    const plain = await versionOf()
    expect(await versionOf(testKey('red', 1))).toBe(plain)
    expect(await versionOf(testPolicy('new', 0))).not.toBe(plain)
  })
})

describe('a view after another', () => {
  test('takes over tenants that did not change and builds the others anew', async () => {
    const first = await buildView(dataOf(twoTenants), { keyring: testKeyring })
    const changed = { ...twoTenants, red: testTenant('red', [testKey('red', 3)]) }
    const second = await buildView(dataOf(changed, 2), { keyring: testKeyring, previous: first })
    expect(second.tenant('blue')).toBe(first.tenant('blue'))
    expect(second.tenant('red')).not.toBe(first.tenant('red'))
    expect(second.findKey(testToken(3))?.key.alias).toBe('key-3')
    expect(second.findKey(testToken(1))).toBeUndefined()
    expect(first.findKey(testToken(1))?.key.alias).toBe('key-1')
    expect(second.version.generation).toBe(2)
  })

  test('forgets tenants that are gone', async () => {
    const first = await buildView(dataOf(twoTenants), { keyring: testKeyring })
    const second = await buildView(dataOf({ red: twoTenants.red }, 2), { keyring: testKeyring, previous: first })
    expect(second.tenantNames()).toEqual(['red'])
    expect(second.findKey(testToken(2))).toBeUndefined()
  })
})

describe('building 5,000 keys', () => {
  const keys = Array.from({ length: 5_000 }, (_, at) => testKey('red', at))
  const data = dataOf({ red: testTenant('red', keys) })

  test('steps aside whenever its stretch is used up', async () => {
    let now = 0
    let longest = 0
    let since = 0
    let pauses = 0
    // Each look at the clock takes 0.05 ms: 5,000 items looked at twice are 500 ms of work.
    const clock: PacerClock = {
      now: () => (now += 0.05),
      async pause() {
        longest = Math.max(longest, now - since)
        since = now
        pauses += 1
      },
    }
    const view = await buildView(data, { keyring: testKeyring, clock })
    expect(view.findKey(testToken(4_999))?.key.alias).toBe('key-4999')
    expect(longest).toBeLessThan(PACER_STRETCH_MS + 0.5)
    expect(pauses).toBeGreaterThan(200)
  })

  test('lets other work run in between', async () => {
    let now = 0
    let turns = 0
    let done = false
    const tick = (): void => {
      turns += 1
      if (!done) setImmediate(tick)
    }
    setImmediate(tick)
    await buildView(data, { keyring: testKeyring, clock: { ...systemPacerClock, now: () => (now += 0.05) } })
    done = true
    expect(turns).toBeGreaterThan(200)
  })
})
