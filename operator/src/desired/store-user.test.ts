// A tenant's user of the store is the one that the documentation describes, and no other gateway's.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { storeUserName, storeUserPrefix, storeUserRules, storeUserURL } from './store-user.ts'

const DOC = readFileSync(join(import.meta.dirname, '../../../docs/kubernetes/redis-acl.md'), 'utf8')

test('its rules are those of the documentation', () => {
  const [, rules = ''] = /ACL SETUSER smartflow-sidecar-TENANT ([^`]*)```/.exec(DOC) ?? []
  const documented = rules
    .trim()
    .split(/\s+/)
    .map(rule => rule.replace('TENANT', 'acme').replace('PASSWORD', 'secret'))
  expect(storeUserRules('acme', ['secret'])).toEqual(documented)
})

test('every holder has a password of its own', () => {
  expect(storeUserRules('acme', ['one', 'two']).slice(0, 5)).toEqual([
    'reset',
    'on',
    '>one',
    '>two',
    '%R~sf:{acme}:cfg:*',
  ])
})

test('no name of one gateway is of another, whatever their tenants are called', () => {
  expect(storeUserName('a', 'b.c').startsWith(storeUserPrefix('a'))).toBe(true)
  expect(storeUserName('a-b', 'c').startsWith(storeUserPrefix('a'))).toBe(false)
})

test.each([
  ['redis://operator:old@redis:6379/2', 'redis://u:p@redis.system.svc:6379/2'],
  ['rediss://redis.example:6380', 'rediss://u:p@redis.example:6380'],
  ['redis://127.0.0.1:6379', 'redis://u:p@127.0.0.1:6379'],
  ['redis://localhost:6379', 'redis://u:p@localhost:6379'],
])('%s becomes %s', (url, wanted) => {
  expect(storeUserURL(url, { name: 'u', password: 'p', namespace: 'system' })).toBe(wanted)
})
