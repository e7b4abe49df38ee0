// Calls at a steady rate through two data planes while routes, keys and providers change: what failed, and how long each
// change took to every data plane.
import { setTimeout as sleep } from 'node:timers/promises'
import { openLoop, type WholeResult } from '../../bench/load.ts'
import { type ObjectKey, TYPES } from '../../operator/src/api/resource-type.ts'
import { ask, chat } from '../e2e/calls.ts'
import { eventually } from '../e2e/gateway.ts'
import type { BigStack } from './big-stack.ts'
import { quantile } from './measured.ts'
import { chainOf, groundOf, keyOf, namespaceOf, placeOf } from './scale-world.ts'
import { secretOf } from './stack.ts'

/** How much of what. `upstream` is the base URL of a mock provider. */
export interface ChangeUnderLoadOptions {
  /** Calls a second, over all data planes. */
  readonly rate: number
  readonly seconds: number
  readonly changes: number
  readonly upstream: string
}

/** What came of it; times in milliseconds, from the API server's answer to a patch until every data plane serves it. */
export interface ChangeUnderLoad {
  /** One a data plane. */
  readonly load: readonly WholeResult[]
  readonly propagation: { readonly count: number; readonly p50: number; readonly p99: number; readonly most: number }
  /** The model that the provider was asked for at the end, and the one that the last change named. */
  readonly served: { readonly model: unknown; readonly wanted: string }
}

const SIZE = { tenants: 1, chains: 1, keys: 2 }
/** Load begins this much before the first change, and the changes end this much before the load. */
const MARGIN_MS = 1_000

/** Sets up one tenant and does it. Throws when the tenant's calls do not work before. */
export async function changeUnderLoad(stack: BigStack, options: ChangeUnderLoadOptions): Promise<ChangeUnderLoad> {
  const { rate, seconds, upstream } = options
  const { place, client, planes } = stack
  for (const object of groundOf(place, SIZE, upstream)) await client.create(object)
  for (const object of [chainOf(0, SIZE), keyOf(0, SIZE), keyOf(1, SIZE)]) await client.create(object)
  const tokens = await Promise.all(planes.map((_, at) => tokenOf(stack, at)))
  const targets = planes.map(({ proxy }, at) => ({
    url: `${proxy}/v1/chat/completions`,
    model: 'model-0',
    key: tokens[at] ?? '',
  }))
  const asked = async (at: number): Promise<unknown> => {
    const { status, json } = await ask(planes[at]?.proxy ?? '', tokens[at] ?? '', chat('model-0'))
    return status === 200 ? json?.['model'] : undefined
  }
  for (const at of planes.keys()) await eventually('a call of each key is answered', () => asked(at), 60_000)
  const each = { rate: rate / planes.length, seconds, connections: 128 }
  const [load, { times, wanted }] = await Promise.all([
    Promise.all(targets.map(target => openLoop(target, each))),
    changeThings(stack, options),
  ])
  const propagation = {
    count: times.length,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    most: Math.max(...times),
  }
  return { load, propagation, served: { model: await asked(0), wanted } }
}

async function tokenOf({ place }: BigStack, number: number): Promise<string> {
  const { name, namespace } = placeOf('key', number, SIZE)
  const values = await eventually(
    'the Secret of a key',
    () => secretOf(place.cluster, namespace, `${name}-key`),
    60_000,
  )
  const token = Object.values(values).find(value => value.startsWith('sk-'))
  if (token === undefined) throw new Error(`no token in the Secret of ${name}`)
  return token
}

/** One change after the other, each in its slot of the time; a slow one moves the next. */
async function changeThings(
  stack: BigStack,
  { seconds, changes }: ChangeUnderLoadOptions,
): Promise<{ times: number[]; wanted: string }> {
  const slot = (seconds * 1_000 - 2 * MARGIN_MS) / changes
  const startedAt = performance.now() + MARGIN_MS
  const times: number[] = []
  let wanted = 'first'
  for (let at = 0; at < changes; at++) {
    await sleep(Math.max(0, startedAt + at * slot - performance.now()))
    const generation = stack.acks.newest()
    if (at % CHANGES.length === 0) wanted = `changed-${at}`
    await CHANGES[at % CHANGES.length]?.(stack, at)
    const acceptedAt = performance.now()
    await stack.acks.beyond(generation)
    times.push(performance.now() - acceptedAt)
  }
  return { times, wanted }
}

/** A route, a key, a provider, a key that comes and the one that came last going. */
const CHANGES: readonly ((stack: BigStack, at: number) => Promise<unknown>)[] = [
  (stack, at) =>
    replace(
      stack,
      { type: TYPES.FallbackChain, ...placeOf('chain', 0, SIZE) },
      '/spec/targets/0/model',
      `changed-${at}`,
    ),
  (stack, at) =>
    replace(stack, { type: TYPES.VirtualKey, ...placeOf('key', 0, SIZE) }, '/spec/tags', [`changed-${at}`]),
  (stack, at) =>
    replace(stack, { type: TYPES.AIProvider, namespace: namespaceOf(0), name: 'provider' }, '/spec/pricing', [
      { model: `none-${at}`, inputPerMillionUSD: '0.1', outputPerMillionUSD: '0.1' },
    ]),
  (stack, at) => stack.client.create(keyOf(at, SIZE)),
  (stack, at) => stack.client.delete({ type: TYPES.VirtualKey, ...placeOf('key', at - 1, SIZE) }),
]

/** `add` replaces what is there, and adds what is not. */
async function replace({ client }: BigStack, key: ObjectKey, path: string, value: unknown): Promise<void> {
  await client.patchJson(key, [{ op: 'add', path, value }])
}
