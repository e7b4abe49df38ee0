// What falls under a domain: a look-alike must not.
import { expect, test } from 'vitest'
import { isUnder } from './tenant-hosts.ts'

test.each([
  ['example.com', 'example.com', true],
  ['a.example.com', 'example.com', true],
  ['a.b.example.com', 'example.com', true],
  ['notexample.com', 'example.com', false],
  ['example.com.evil.test', 'example.com', false],
  ['com', 'example.com', false],
  ['a.example.com', '*.example.com', true],
  ['example.com', '*.example.com', false],
  ['a.b.example.com', '*.example.com', false],
  ['*.example.com', '*.example.com', false],
])('%s under %s: %s', (host, domain, under) => {
  expect(isUnder(host, domain)).toBe(under)
})
