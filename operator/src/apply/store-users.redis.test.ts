// Users of tenants' sidecars on a real server, by an operator's user with the rights that the documentation adds for it.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type {} from '../../../test/redis.setup.ts'
import { storeUserName, storeUserURL } from '../desired/store-user.ts'
import { StoreConnection } from './redis.ts'
import { StoreUsers } from './store-users.ts'

const DOC = readFileSync(join(import.meta.dirname, '../../../docs/kubernetes/redis-acl.md'), 'utf8')
const redisUrl = inject('redisUrl')

describe.skipIf(redisUrl === '')('users of the store (skipped without a Redis)', () => {
  const gateway = `gw-${randomBytes(4).toString('hex')}`
  const [first, second] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')]
  let admin: StoreConnection
  let operator: StoreConnection
  let users: StoreUsers
  const open: StoreConnection[] = []

  async function connect(url: string): Promise<StoreConnection> {
    const connection = new StoreConnection({ url, name: 'test' })
    open.push(connection)
    await connection.whenUp(4_000)
    return connection
  }

  const as = (tenant: string, password: string): Promise<StoreConnection> =>
    connect(storeUserURL(redisUrl, { name: storeUserName(gateway, tenant), password, namespace: 'any' }))

  beforeAll(async () => {
    admin = await connect(redisUrl)
    const [, given = ''] = /ACL SETUSER smartflow-operator ([^`]*)```/.exec(DOC) ?? []
    const [, added = ''] = /add `([^`]*)` at the end/.exec(DOC) ?? []
    const rules = `${given} ${added}`.replaceAll('GATEWAY', gateway).replaceAll('PASSWORD', first).trim().split(/\s+/)
    expect(rules).toContain('+acl|setuser')
    await admin.send('acl', ['SETUSER', gateway, ...rules])
    operator = await connect(storeUserURL(redisUrl, { name: gateway, password: first, namespace: 'any' }))
    users = new StoreUsers({ redis: operator, gateway })
  })

  afterAll(async () => {
    await users?.keep(new Map())
    await admin?.send('acl', ['DELUSER', gateway])
    for (const connection of open) connection.close()
  })

  test('are made, each with its passwords, and reach their own part', async () => {
    await users.keep(new Map([['red', [first, second]]]))
    for (const password of [first, second]) {
      const own = await as('red', password)
      expect(own.up()).toBe(true)
      expect(await own.send('exists', ['sf:{red}:led:procs'])).toBe(0)
      await expect(own.send('get', ['sf:{blue}:led:procs'])).rejects.toThrow('NOPERM')
    }
  })

  test('lose a password together with the connections that came in with it', async () => {
    const own = await as('red', second)
    const closed = new Promise<boolean>(resolve => own.onChange(up => resolve(!up)))
    await new StoreUsers({ redis: operator, gateway }).keep(new Map([['red', [first]]]))
    expect(await closed).toBe(true)
    expect((await as('red', second)).up()).toBe(false)
    expect((await as('red', first)).up()).toBe(true)
  })

  test('are made again when the server lost them', async () => {
    await users.keep(new Map([['red', [first]]]))
    await admin.send('acl', ['DELUSER', storeUserName(gateway, 'red')])
    await users.keep(new Map([['red', [first]]]))
    expect((await as('red', first)).up()).toBe(true)
  })

  test('go when nobody wants them, and nobody else does', async () => {
    await admin.send('acl', ['SETUSER', `${gateway}-other`, 'on'])
    await users.keep(new Map())
    const left = (await admin.send('acl', ['USERS'])) as string[]
    expect(left).not.toContain(storeUserName(gateway, 'red'))
    expect(left).toContain(`${gateway}-other`)
    await admin.send('acl', ['DELUSER', `${gateway}-other`])
  })
})
