// Statuses: each reason, what Ready makes of it, and that nothing is written twice.
import { describe, expect, test } from 'vitest'
import { saysAlready } from './own-conditions.ts'
import { type StatusInput, statusOf } from './status.ts'

const NOW = Date.parse('2026-06-01T12:00:00Z')
const digest = 'a'.repeat(64)
const accepted = { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'valid' } as const
const ack = { epoch: 2, generation: 7, at: NOW - 1_000 }
const pod = (name: string, change: object = {}) => ({ name, counted: true, ack: { ...ack, ...change } })

function inputOf(change: Partial<StatusInput> = {}): StatusInput {
  return {
    kind: 'Policy',
    generation: 3,
    previous: { observedGeneration: -1 },
    compiled: { generation: 3, conditions: [accepted] },
    digest: { wanted: digest, inForce: digest },
    version: { epoch: 2, generation: 7 },
    pods: [pod('one'), pod('two')],
    store: 'up',
    minProgrammedPercent: 100,
    ackTimeoutMs: 30_000,
    now: NOW,
    ...change,
  }
}

const brief = (change: Partial<StatusInput>): string[] =>
  statusOf(inputOf(change)).conditions.map(({ type, status, reason }) => `${type}=${status}/${reason}`)
const condition = (change: Partial<StatusInput>, type: string) =>
  statusOf(inputOf(change)).conditions.find(each => each.type === type)

function compiledWith(...conditions: NonNullable<StatusInput['compiled']>['conditions']): Partial<StatusInput> {
  return { compiled: { generation: 3, conditions } }
}

describe('an object in order', () => {
  test('is Ready with times, its generation and where it is in the configuration', () => {
    const times = { observedGeneration: 3, lastTransitionTime: '2026-06-01T12:00:00Z' }
    expect(statusOf(inputOf({ fields: { keyID: 'x', nothing: undefined } }))).toEqual({
      observedGeneration: 3,
      keyID: 'x',
      config: { epoch: 2, generation: 7, digest },
      conditions: [
        { type: 'Ready', status: 'True', reason: 'Ready', message: 'every gateway pod serves it', ...times },
        { ...accepted, ...times },
        { type: 'Programmed', status: 'True', reason: 'Programmed', message: '2 of 2 pods serve it', ...times },
      ],
    })
  })
})

const later = { reason: 'NotServedYet', message: 'spec.x is not served' } as const
const unresolved = { type: 'ResolvedRefs', status: 'False', reason: 'SecretNotFound', message: 'no' } as const
const notThere = { digest: { wanted: undefined, inForce: undefined } }

describe('conditions', () => {
  test.each<[string, Partial<StatusInput>, string[]]>([
    ...(['Invalid', 'UnsupportedValue', 'NamespaceNotAllowed', 'Conflicted'] as const).map(
      (reason): [string, Partial<StatusInput>, string[]] => [
        `not accepted: ${reason}`,
        { ...compiledWith({ type: 'Accepted', status: 'False', reason, message: 'no' }), ...notThere },
        [`Ready=False/${reason}`, `Accepted=False/${reason}`, 'Programmed=False/Pending', `Stalled=True/${reason}`],
      ],
    ),
    [
      'does not pass its schema, and its last good form serves on',
      { invalid: 'spec.alias must be …' },
      ['Ready=False/Invalid', 'Accepted=False/Invalid', 'Programmed=True/Programmed', 'Stalled=True/Invalid'],
    ],
    [
      'a reference leads nowhere: this mends itself',
      { ...compiledWith(accepted, unresolved), ...notThere },
      [
        'Ready=False/SecretNotFound',
        'Accepted=True/Accepted',
        'ResolvedRefs=False/SecretNotFound',
        'Programmed=False/Pending',
        'Reconciling=True/SecretNotFound',
      ],
    ],
    [
      'not served yet',
      compiledWith(
        accepted,
        { type: 'Ready', status: 'False', ...later },
        { type: 'Stalled', status: 'True', ...later },
      ),
      ['Ready=False/NotServedYet', 'Accepted=True/Accepted', 'Programmed=True/Programmed', 'Stalled=True/NotServedYet'],
    ],
    [
      'not served yet comes before a reference that leads nowhere',
      compiledWith(accepted, unresolved, { type: 'Ready', status: 'False', ...later }),
      [
        'Ready=False/NotServedYet',
        'Accepted=True/Accepted',
        'ResolvedRefs=False/SecretNotFound',
        'Programmed=True/Programmed',
        'Stalled=True/NotServedYet',
      ],
    ],
    [
      'not compiled yet',
      { compiled: undefined, ...notThere },
      ['Ready=Unknown/Pending', 'Accepted=Unknown/Pending', 'Programmed=False/Pending', 'Reconciling=True/Pending'],
    ],
    [
      'not published yet',
      { digest: { wanted: 'b'.repeat(64), inForce: digest } },
      ['Ready=False/Pending', 'Accepted=True/Accepted', 'Programmed=False/Pending', 'Reconciling=True/Pending'],
    ],
    [
      'no pods that count',
      { pods: [{ ...pod('one'), counted: false }] },
      [
        'Ready=False/NoDataPlanes',
        'Accepted=True/Accepted',
        'Programmed=False/NoDataPlanes',
        'Reconciling=True/NoDataPlanes',
      ],
    ],
    [
      'the store is away',
      { store: 'away' },
      [
        'Ready=Unknown/StoreUnavailable',
        'Accepted=True/Accepted',
        'Programmed=Unknown/StoreUnavailable',
        'Reconciling=True/StoreUnavailable',
      ],
    ],
    [
      'a certificate that is not there yet',
      { extra: [{ type: 'CertificateReady', status: 'False', reason: 'Pending', message: 'no', gatesReady: true }] },
      [
        'Ready=False/Pending',
        'Accepted=True/Accepted',
        'Programmed=True/Programmed',
        'Reconciling=True/Pending',
        'CertificateReady=False/Pending',
      ],
    ],
    [
      'a word of warning',
      { extra: [{ type: 'DeprecatedController', status: 'True', reason: 'Deprecated', message: 'old' }] },
      [
        'Ready=True/Ready',
        'Accepted=True/Accepted',
        'Programmed=True/Programmed',
        'DeprecatedController=True/Deprecated',
      ],
    ],
    [
      'a key that ended',
      { expiresAt: NOW },
      ['Ready=True/Ready', 'Accepted=True/Accepted', 'Programmed=True/Programmed', 'Expired=True/Expired'],
    ],
    [
      'a key that will end',
      { expiresAt: NOW + 1 },
      ['Ready=True/Ready', 'Accepted=True/Accepted', 'Programmed=True/Programmed'],
    ],
  ])('%s', (_name, change, wanted) => {
    expect(brief(change)).toEqual(wanted)
  })
})

describe('Programmed', () => {
  const behind = { generation: 6 }
  test.each<[string, StatusInput['pods'], string, string]>([
    ['all behind', [pod('one', behind)], 'Pending', '0 of 1 pods serve it; not yet one'],
    ['one behind', [pod('b', behind), pod('a')], 'PartiallyProgrammed', '1 of 2 pods serve it; not yet b'],
    ['an epoch behind', [pod('one', { epoch: 1, generation: 99 })], 'Pending', '0 of 1 pods serve it; not yet one'],
    ['ahead', [pod('one', { epoch: 3, generation: 1 })], 'Programmed', '1 of 1 pods serve it'],
    ['silent', [{ ...pod('one'), ack: undefined }], 'Pending', '0 of 1 pods serve it; not yet one'],
    ['said too long ago', [pod('one', { at: NOW - 30_001 })], 'Pending', '0 of 1 pods serve it; not yet one'],
    ['said just in time', [pod('one', { at: NOW - 30_000 })], 'Programmed', '1 of 1 pods serve it'],
    [
      'refused',
      [pod('one', { ...behind, problem: 'an item is missing' }), pod('two')],
      'DataPlaneRejected',
      '1 of 2 pods serve it; refused by one: an item is missing',
    ],
    [
      'refused too long ago',
      [pod('one', { ...behind, problem: 'an item is missing', at: 0 })],
      'Pending',
      '0 of 1 pods serve it; not yet one',
    ],
    ['a problem with something later', [pod('one', { problem: 'x' })], 'Programmed', '1 of 1 pods serve it'],
  ])('of pods that are %s', (_name, pods, reason, message) => {
    expect(condition({ pods }, 'Programmed')).toMatchObject({ reason, message })
  })

  test('is reached with the share that the gateway asks for', () => {
    const pods = [pod('a'), pod('b'), pod('c', behind)]
    expect(condition({ pods, minProgrammedPercent: 66 }, 'Programmed')).toMatchObject({ status: 'True' })
    expect(condition({ pods, minProgrammedPercent: 67 }, 'Programmed')).toMatchObject({ status: 'False' })
  })

  test('names ten pods at most', () => {
    const pods = Array.from({ length: 12 }, (_, at) => pod(`pod-${String(at).padStart(2, '0')}`, behind))
    expect(condition({ pods }, 'Programmed')?.message).toMatch(/pod-00, .*pod-09 and 2 more$/)
  })

  test('tells why nothing was published', () => {
    const digests = { wanted: digest, inForce: undefined }
    const told = condition({ digest: digests, notPublished: 'held back: …' }, 'Programmed')
    expect(told).toMatchObject({ status: 'False', reason: 'Pending', message: 'held back: …' })
  })
})

describe('what was written before', () => {
  const first = statusOf(inputOf())
  const hour = 3_600_000

  test('is not written again when only time passed and pods said the same again', () => {
    const pods = [pod('one', { at: NOW + hour }), pod('two', { at: NOW + hour })]
    const again = statusOf(inputOf({ previous: structuredClone(first), now: NOW + hour, pods }))
    expect(saysAlready(structuredClone(first), again)).toBe(true)
    expect(again).toEqual(first)
  })

  test('keeps the place of an object that did not change, whatever is published since', () => {
    const version = { epoch: 3, generation: 9 }
    expect(saysAlready(first, statusOf(inputOf({ previous: first, version })))).toBe(true)
    const changed = { wanted: 'b'.repeat(64), inForce: 'b'.repeat(64) }
    expect(statusOf(inputOf({ previous: first, version, digest: changed })).config).toEqual({
      ...version,
      digest: changed.wanted,
    })
  })

  test('is not believed when it is later than what is in force', () => {
    const previous = { ...first, config: { epoch: 9, generation: 9, digest } }
    expect(statusOf(inputOf({ previous })).config).toEqual({ epoch: 2, generation: 7, digest })
  })

  test('keeps the time of a condition until its status changes, not its reason', () => {
    const now = NOW + hour
    const pending = statusOf(inputOf({ previous: first, now, pods: [pod('one', { generation: 1 })] }))
    const refused = pod('one', { generation: 1, problem: 'x', at: now + hour })
    const rejected = statusOf(inputOf({ previous: pending, now: now + hour, pods: [refused] }))
    const times = (status: typeof first): Record<string, string> =>
      Object.fromEntries(status.conditions.map(each => [each.type, each.lastTransitionTime]))
    const later1 = '2026-06-01T13:00:00Z'
    expect(times(pending)).toEqual({ ...times(first), Ready: later1, Programmed: later1, Reconciling: later1 })
    expect(times(rejected)).toEqual(times(pending))
    expect(rejected.conditions.find(each => each.type === 'Programmed')?.reason).toBe('DataPlaneRejected')
  })

  test('is kept while the store is away, and a removed condition is a difference', () => {
    expect(statusOf(inputOf({ previous: first, store: 'away', version: undefined })).config).toEqual(first.config)
    const { config: _config, ...without } = first
    expect(saysAlready(first, without)).toBe(false)
    expect(saysAlready(undefined, first)).toBe(false)
    expect(saysAlready({ observedGeneration: -1 }, first)).toBe(false)
  })

  test('never claims a generation that was not judged', () => {
    expect(statusOf(inputOf({ generation: 4 })).observedGeneration).toBe(3)
    expect(statusOf(inputOf({ generation: 4, invalid: 'no' })).observedGeneration).toBe(4)
    expect(statusOf(inputOf({ generation: 4, compiled: undefined })).observedGeneration).toBe(4)
  })
})
