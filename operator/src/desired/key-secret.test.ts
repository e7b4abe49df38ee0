// Keys' Secrets: made once, rotated in time, never losing a token that is in force.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { KubeObject, NewObject } from '../api/resource-type.ts'
import { keySecret, type KeySecretPlan, type KeySecretWrite } from './key-secret.ts'
import type { Key } from './key-secret-object.ts'

const HOUR = 3_600_000
const START = Date.parse('2026-06-01T00:00:00Z')
const URL = 'http://smartflow-gateway.ai-gateway.svc:7775'

const plain: Key = { metadata: { name: 'app', namespace: 'payments', uid: 'uid-1' }, spec: {} }
const rotating: Key = { ...plain, spec: { rotation: { interval: '24h', overlap: '6h' } } }

let made = 0
const newToken = (): string => `token-${++made}`.padEnd(32, '.')

function plan(key: Key, live: KubeObject | undefined, now: number): KeySecretPlan {
  return keySecret({ key, live, now, newToken, url: URL })
}

/** Plays the API server. */
function written(write: KeySecretWrite | undefined, live?: KubeObject): KubeObject {
  if (write === undefined) return stored(live)
  if (write.kind === 'create') return asLive(write.object, '1')
  const before = stored(live)
  const next: { [field: string]: unknown } & KubeObject = structuredClone(before)
  for (const { op, path, value } of write.operations) {
    const steps = path
      .slice(1)
      .split('/')
      .map(step => step.replaceAll('~1', '/'))
    const last = steps.pop() ?? ''
    const parent = steps.reduce((at: object, step) => Reflect.get(at, step) as object, next)
    if (op === 'test') expect(Reflect.get(parent, last)).toEqual(value)
    if (op === 'add') Reflect.set(parent, last, value)
    if (op === 'remove') expect(Reflect.deleteProperty(parent, last)).toBe(true)
  }
  return asLive(next, String(Number(before.metadata.resourceVersion) + 1))
}

function asLive(object: NewObject, resourceVersion: string): KubeObject {
  return { ...object, metadata: { ...object.metadata, uid: 'secret-uid', resourceVersion } }
}

function stored(live: KubeObject | undefined): KubeObject {
  if (live === undefined) throw new Error('there is no Secret')
  return live
}

function entries(live: KubeObject): Record<string, string> {
  const data = live['data'] as Record<string, string>
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]),
  )
}

test('a key without a Secret gets one, with its owner, its labels and the address of the gateway', () => {
  const { write, tokens } = plan(rotating, undefined, START)
  const secret = written(write)
  expect(secret).toMatchObject({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: {
      name: 'app-key',
      namespace: 'payments',
      labels: { 'app.kubernetes.io/managed-by': 'smartflow-operator', 'smartflow.dev/virtual-key': 'app' },
      annotations: { 'smartflow.dev/rotated-at': '2026-06-01T00:00:00.000Z' },
      ownerReferences: [{ kind: 'VirtualKey', name: 'app', uid: 'uid-1', controller: true, blockOwnerDeletion: true }],
    },
  })
  expect(entries(secret)).toEqual({ token: tokens?.current, url: URL })
})

test('a Secret that is as it should be is not written again', () => {
  const secret = written(plan(rotating, undefined, START).write)
  expect(plan(rotating, secret, START + HOUR)).toMatchObject({ write: undefined, rotates: false, problem: undefined })
})

test('a key without rotation keeps its token for ever, and there is no next rotation', () => {
  const secret = written(plan(plain, undefined, START).write)
  const later = plan(plain, secret, START + 10_000 * HOUR)
  expect(later).toMatchObject({ write: undefined, nextRotation: undefined, again: undefined })
  expect(later.tokens?.current).toBe(entries(secret)['token'])
})

test('after the interval a new token comes, the old one is good for the overlap and is then taken out', () => {
  const first = written(plan(rotating, undefined, START).write)
  const due = plan(rotating, first, START + 24 * HOUR)
  expect(due.rotates).toBe(true)
  const second = written(due.write, first)
  expect(entries(second)).toMatchObject({
    previousToken: entries(first)['token'],
    previousExpires: '2026-06-02T06:00:00.000Z',
  })
  expect(entries(second)['token']).not.toBe(entries(first)['token'])
  expect(due).toMatchObject({ again: START + 30 * HOUR, nextRotation: START + 48 * HOUR })

  const over = plan(rotating, second, START + 30 * HOUR)
  expect(over).toMatchObject({ rotates: false, again: START + 48 * HOUR, tokens: { previous: undefined } })
  expect(Object.keys(entries(written(over.write, second))).sort()).toEqual(['token', 'url'])
})

test('an overlap longer than the interval ends with the interval, and the Secret says so', () => {
  const key: Key = { ...plain, spec: { rotation: { interval: '1h', overlap: '24h' } } }
  const first = written(plan(key, undefined, START).write)
  expect(plan(key, first, START + HOUR).tokens?.previous?.expires).toBe(START + 2 * HOUR)
})

test('rotation that is switched off leaves the overlap that has begun', () => {
  const first = written(plan(rotating, undefined, START).write)
  const second = written(plan(rotating, first, START + 24 * HOUR).write, first)
  expect(plan(plain, second, START + 25 * HOUR).tokens?.previous?.token).toBe(entries(first)['token'])
  expect(plan(plain, second, START + 31 * HOUR).tokens?.previous).toBeUndefined()
})

test('a patch holds only for the Secret it was made from', () => {
  const first = written(plan(rotating, undefined, START).write)
  const { write } = plan(rotating, first, START + 24 * HOUR)
  expect(write).toMatchObject({
    operations: [{ op: 'test', path: '/metadata/resourceVersion', value: '1' }, {}, {}, {}, {}],
  })
})

test('a token that somebody took out is made anew; other entries and annotations stay', () => {
  const secret = written(plan(rotating, undefined, START).write)
  const spoilt: KubeObject = {
    ...secret,
    data: { other: 'b3RoZXI=' },
    metadata: { ...secret.metadata, annotations: { theirs: 'kept' } },
  }
  const mended = written(plan(rotating, spoilt, START + 100 * HOUR).write, spoilt)
  expect(entries(mended)).toMatchObject({ other: 'other', url: URL })
  expect(entries(mended)['token']).toMatch(/^token-/)
  expect(mended.metadata.annotations).toEqual({
    theirs: 'kept',
    'smartflow.dev/rotated-at': '2026-06-05T04:00:00.000Z',
  })
})

test('a token too short to be safe is replaced', () => {
  const secret = written(plan(plain, undefined, START).write)
  const weak: KubeObject = { ...secret, data: { token: Buffer.from('guess').toString('base64') } }
  expect(plan(plain, weak, START).tokens?.current).toMatch(/^token-/)
})

test('a restored Secret without owner is taken over with its token', () => {
  const secret = written(plan(rotating, undefined, START).write)
  const { ownerReferences: _, ...metadata } = secret.metadata
  const { tokens, write } = plan(rotating, { ...secret, metadata }, START + HOUR)
  expect(tokens?.current).toBe(entries(secret)['token'])
  expect(written(write, { ...secret, metadata }).metadata.ownerReferences).toHaveLength(1)
})

describe('a Secret that is not this key’s is left alone', () => {
  const secret = written(plan(rotating, undefined, START).write)
  const { labels: _, ...bare } = secret.metadata
  test.each([
    ['without our labels', { ...secret, metadata: bare }, /not this key's/],
    ['being deleted', { ...secret, metadata: { ...secret.metadata, deletionTimestamp: 'now' } }, /being deleted/],
  ])('%s', (_name, live, message) => {
    expect(plan(rotating, live, START + 100 * HOUR)).toMatchObject({ write: undefined, tokens: undefined })
    expect(plan(rotating, live, START + 100 * HOUR).problem).toMatch(message)
  })

  test('of a former key of the same name, whose token is revoked', () => {
    const successor: Key = { ...rotating, metadata: { ...rotating.metadata, uid: 'uid-2' } }
    expect(plan(successor, secret, START).tokens).toBeUndefined()
    expect(plan(successor, secret, START).problem).toMatch(/former VirtualKey/)
  })
})

test('a key that brings its token gets no Secret', () => {
  const key: Key = { ...plain, spec: { keyFrom: { secretRef: { name: 'mine', key: 'token' } } } }
  expect(plan(key, undefined, START)).toMatchObject({ write: undefined, tokens: undefined, problem: undefined })
})

/** Steps of the clock in minutes; it may go backwards, by a lot. */
const steps = fc.array(fc.integer({ min: -6_000, max: 3_000 }), { maxLength: 60 })
const specs = fc.record({ interval: fc.integer({ min: 60, max: 3_000 }), overlap: fc.integer({ min: 0, max: 6_000 }) })

test('the clock has to go forward by a whole interval between two rotations, whatever else it does', () => {
  fc.assert(
    fc.property(steps, specs, (moves, { interval, overlap }) => {
      const key: Key = { ...plain, spec: { rotation: { interval: `${interval}m`, overlap: `${overlap}m` } } }
      let now = START
      let secret = written(plan(key, undefined, now).write)
      let forward = 0
      for (const move of moves) {
        now += move * 60_000
        forward += Math.max(0, move)
        const next = plan(key, secret, now)
        if (next.rotates) {
          expect(forward).toBeGreaterThanOrEqual(interval)
          forward = 0
        }
        secret = written(next.write, secret)
        expect(next.nextRotation).toBeGreaterThan(now)
        expect(next.nextRotation).toBeLessThanOrEqual(now + 2 * interval * 60_000)
        // A second look at the same moment writes nothing.
        expect(plan(key, secret, now).write).toBeUndefined()
      }
    }),
  )
})

test('a token in force stays in force: as the current one, or as the previous one until its time', () => {
  fc.assert(
    fc.property(steps, specs, (moves, { interval, overlap }) => {
      const key: Key = { ...plain, spec: { rotation: { interval: `${interval}m`, overlap: `${overlap}m` } } }
      let now = START
      let secret = written(plan(key, undefined, now).write)
      for (const move of moves) {
        now += move * 60_000
        const before = entries(secret)
        const next = plan(key, secret, now)
        secret = written(next.write, secret)
        const after = entries(secret)
        expect(after['token']).toBe(next.tokens?.current)
        expect(after['previousToken']).toBe(next.tokens?.previous?.token)
        if (!next.rotates) expect(after['token']).toBe(before['token'])
        else if (overlap > 0) expect(after['previousToken']).toBe(before['token'])
        const until = Date.parse(after['previousExpires'] ?? '')
        if (!Number.isNaN(until)) expect(until).toBeGreaterThan(now)
        if (!Number.isNaN(until)) expect(until).toBeLessThanOrEqual(now + Math.min(overlap, interval) * 60_000)
      }
    }),
  )
})
