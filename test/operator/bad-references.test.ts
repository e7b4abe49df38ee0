// Objects that the API server takes, and that can still not be served as they are: each says why in its status, with a
// reason for programs and a message that says what to do; the objects around them are served as before.
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject } from 'vitest'
import { DEFINITIONS } from '../../core/src/resources/definitions.ts'
import type { Kind } from '../../core/src/resources/resource.ts'
import { type ControlPlane, startControlPlane } from '../../hack/control-plane/control-plane.ts'
import { cleanUp, eventually, temporary } from '../e2e/gateway.ts'
import { test } from './cluster-test.ts'
import { applyOwnDefinitions } from './own-definitions.ts'
import {
  apply,
  condition,
  createGatewayService,
  endOperators,
  isSaid,
  type OperatorProcess,
  type Place,
  type Seen,
  see,
  startOperator,
  startPlane,
} from './stack.ts'

const HOME = 'gateway-home'
const apiVersion = 'smartflow.dev/v1alpha1'

let cluster: ControlPlane | undefined
let place: Place
let operator: OperatorProcess

const object = (kind: string, name: string, namespace: string | undefined, spec: object): object => ({
  apiVersion,
  kind,
  metadata: namespace === undefined ? { name } : { name, namespace },
  spec,
})
const provider = (name: string, namespace: string, more: object = {}): object =>
  object('AIProvider', name, namespace, {
    preset: 'openai',
    auth: { secretRef: { name: 'credential' } },
    ...more,
  })
const chain = (name: string, namespace: string, providerRef: object): object =>
  object('FallbackChain', name, namespace, { models: [name], targets: [{ name: 'first', providerRef }] })
const key = (name: string, namespace: string, more: object = {}): object =>
  object('VirtualKey', name, namespace, { alias: name, ...more })

beforeAll(async () => {
  if (!inject('cluster')) return
  const started = await startControlPlane({ dir: join(temporary(), 'control-plane') })
  cluster = started
  await applyOwnDefinitions(started)
  for (const name of [HOME, 'red', 'blue', 'nobody']) {
    await apply(started, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  }
  place = { cluster: started, namespace: HOME, gateway: 'smartflow', redisUrl: inject('redisUrl') }
  for (const namespace of ['red', 'blue']) {
    await apply(started, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'credential', namespace },
      stringData: { apiKey: 'a-credential-for-tests', token: `${namespace}-a-token-brought-along-of-some-length` },
    })
  }
  await createGatewayService(place)
  operator = await startOperator(place)
  await startPlane(place)
  for (const good of GOOD) await apply(started, good)
}, 300_000)

afterAll(async () => {
  await endOperators()
  await cleanUp()
  await cluster?.stop()
})

/** What is there before, and is served all the time. */
const GOOD = [
  object('AIGateway', 'main', HOME, {
    allowedNamespaces: {
      from: 'Selector',
      selector: { matchExpressions: [{ key: 'fenced', operator: 'DoesNotExist' }] },
    },
    exposure: {
      type: 'Nginx',
      domains: ['ai.example.com'],
      tls: { mode: 'Certificate', issuerRefs: [{ name: 'company' }] },
    },
  }),
  object('AITenant', 'red', undefined, {
    namespaces: { names: ['red'] },
    hostnames: ['red.ai.example.com'],
    limits: { maxVirtualKeys: 3 },
  }),
  object('AITenant', 'blue', undefined, { namespaces: { names: ['blue'] } }),
  provider('served', 'red'),
  chain('served', 'red', { name: 'served' }),
  key('served', 'red'),
  key('taken', 'red', { alias: 'the-alias' }),
  key('brought', 'red', { keyFrom: { secretRef: { name: 'credential' } } }),
  provider('lent', 'blue'),
  object('Policy', 'ring-a', 'red', { parentRef: { name: 'ring-b' } }),
]

interface Bad {
  readonly what: string
  readonly object: object
  readonly type: 'Accepted' | 'ResolvedRefs'
  readonly reason: string
  /** What the message has to name: the object in the way, and where to go. */
  readonly says: RegExp
}

const BAD: readonly Bad[] = [
  {
    what: 'a chain of a provider that is not there',
    object: chain('lost', 'red', { name: 'nowhere' }),
    type: 'ResolvedRefs',
    reason: 'RefNotFound',
    says: /target first: AIProvider red\/nowhere is not there/,
  },
  {
    what: 'a chain of a provider in another namespace, without its permission',
    object: chain('borrower', 'red', { name: 'lent', namespace: 'blue' }),
    type: 'ResolvedRefs',
    reason: 'RefNotPermitted',
    says: /blue\/lent.*allowedNamespaces/,
  },
  {
    what: 'a provider without its Secret',
    object: provider('penniless', 'red', { auth: { secretRef: { name: 'missing' } } }),
    type: 'ResolvedRefs',
    reason: 'SecretNotFound',
    says: /red\/missing/,
  },
  {
    what: 'a provider of a preset that nobody knows',
    object: provider('strange', 'red', { preset: 'no-such-row' }),
    type: 'Accepted',
    reason: 'UnsupportedValue',
    says: /no-such-row/,
  },
  {
    what: 'a key of an alias that another has',
    object: key('second', 'red', { alias: 'the-alias' }),
    type: 'Accepted',
    reason: 'Conflicted',
    says: /the-alias belongs to VirtualKey red\/taken/,
  },
  {
    what: 'a key that brings a token from a Secret that is not there',
    object: key('empty-handed', 'blue', { keyFrom: { secretRef: { name: 'missing' } } }),
    type: 'ResolvedRefs',
    reason: 'SecretNotFound',
    says: /blue\/missing.*token/,
  },
  {
    what: 'a key of a chain that is not there',
    object: key('chainless', 'blue', { fallbackChainRef: { name: 'nowhere' } }),
    type: 'ResolvedRefs',
    reason: 'RefNotFound',
    says: /FallbackChain blue\/nowhere/,
  },
  {
    what: 'a key for a provider that its tenant does not have',
    object: key('abroad', 'blue', { providers: ['served'] }),
    type: 'ResolvedRefs',
    reason: 'RefNotFound',
    says: /tenant blue has no AIProvider served/,
  },
  {
    what: 'a key of the role ProxyAdmin outside the namespace of the gateway',
    object: key('climber', 'red', { role: 'ProxyAdmin' }),
    type: 'Accepted',
    reason: 'NamespaceNotAllowed',
    says: /role ProxyAdmin is only for keys in the namespace of the AIGateway \(gateway-home\)/,
  },
  {
    what: 'a key of the role OrgAdmin in a namespace that its tenant does not name',
    object: key('clerk', 'blue', { role: 'OrgAdmin' }),
    type: 'Accepted',
    reason: 'NamespaceNotAllowed',
    says: /spec\.adminNamespaces of AITenant blue/,
  },
  {
    what: 'a key beyond the most that its tenant may have',
    object: key('one-too-many', 'red'),
    type: 'Accepted',
    reason: 'Conflicted',
    says: /maxVirtualKeys/,
  },
  {
    what: 'a key with the token of another',
    object: key('copycat', 'blue', { keyFrom: { secretRef: { name: 'copied' } } }),
    type: 'Accepted',
    reason: 'Conflicted',
    says: /token in its Secret belongs to a key of another tenant, which came first/,
  },
  {
    what: 'a ring of policies',
    object: object('Policy', 'ring-b', 'red', { parentRef: { name: 'ring-a' } }),
    type: 'Accepted',
    reason: 'Conflicted',
    says: /ring-a.*ring-b|ring-b.*ring-a/,
  },
  {
    what: 'a policy of a parent that is not there',
    object: object('Policy', 'orphan', 'blue', { parentRef: { name: 'nowhere' } }),
    type: 'ResolvedRefs',
    reason: 'RefNotFound',
    says: /blue\/nowhere/,
  },
  {
    what: 'a second AIGateway beside the first',
    object: object('AIGateway', 'other', HOME, {}),
    type: 'Accepted',
    reason: 'Conflicted',
    says: /AIGateway gateway-home\/main/,
  },
  {
    what: 'an AIGateway elsewhere',
    object: object('AIGateway', 'mine', 'red', {}),
    type: 'Accepted',
    reason: 'NamespaceNotAllowed',
    says: /namespace gateway-home/,
  },
  {
    what: 'a tenant of a namespace that has one',
    object: object('AITenant', 'thief', undefined, { namespaces: { names: ['red'] } }),
    type: 'Accepted',
    reason: 'Conflicted',
    says: /namespace red belongs to AITenant red/,
  },
  {
    what: 'a tenant of another gateway',
    object: object('AITenant', 'stray', undefined, { gatewayRef: { name: 'elsewhere', namespace: HOME } }),
    type: 'ResolvedRefs',
    reason: 'RefNotFound',
    says: /gateway-home\/elsewhere/,
  },
  {
    what: 'a tenant whose host is outside the domains',
    object: object('AITenant', 'outsider', undefined, { hostnames: ['bank.example.org'] }),
    type: 'Accepted',
    reason: 'UnsupportedValue',
    says: /bank\.example\.org is not under a domain of AIGateway gateway-home\/main.*ai\.example\.com/,
  },
  {
    what: "a tenant that wants another's host",
    object: object('AITenant', 'impostor', undefined, { hostnames: ['red.ai.example.com'] }),
    type: 'Accepted',
    reason: 'Conflicted',
    says: /red\.ai\.example\.com belongs to AITenant red/,
  },
  {
    what: 'a tenant with an issuer that the gateway does not allow',
    object: object('AITenant', 'forger', undefined, {
      hostnames: ['forger.ai.example.com'],
      tls: { issuerRef: { name: 'anybody' } },
    }),
    type: 'Accepted',
    reason: 'UnsupportedValue',
    says: /anybody.*company/,
  },
  {
    what: 'an object in a namespace that the gateway does not serve',
    object: provider('fenced-off', 'nobody'),
    type: 'Accepted',
    reason: 'NamespaceNotAllowed',
    says: /allowedNamespaces/,
  },
]

interface Named {
  readonly kind: Kind
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

const look = (named: object): Promise<Seen | undefined> => {
  const { kind, metadata } = named as Named
  return see(place.cluster, DEFINITIONS[kind].plural, metadata.name, metadata.namespace)
}

describe('an object that cannot be served as it is says why', () => {
  beforeAll(async () => {
    if (!cluster) return
    await eventually('what is good is Ready', async () => isSaid(await look(GOOD[5] ?? {}), 'Ready', 'True'), 60_000)
    // The older one wins, and times of creation have whole seconds.
    const youngest = await Promise.all(
      GOOD.map(async good => Date.parse((await look(good))?.metadata.creationTimestamp ?? '')),
    )
    await eventually('the next second', () => Date.now() >= Math.max(...youngest) + 1_000)
    const label = { metadata: { labels: { fenced: 'yes' } } }
    await cluster.request('PATCH', '/api/v1/namespaces/nobody', { body: label })
    await apply(cluster, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'copied', namespace: 'blue' },
      stringData: { token: 'red-a-token-brought-along-of-some-length' },
    })
    for (const bad of BAD) await apply(cluster, bad.object)
  }, 180_000)

  test.for(BAD)('$what', async ({ object: bad, type, reason, says }, { cluster: _ }) => {
    const seen = await eventually(
      `${type}=False/${reason}`,
      async () => {
        const now = await look(bad)
        if (isSaid(now, type, 'False', reason)) return now
        throw new Error(JSON.stringify(now?.status ?? 'nothing is said'))
      },
      60_000,
    )
    expect(condition(seen, type)?.message).toMatch(says)
    expect(condition(seen, 'Ready')?.status).toBe('False')
    const stalled = condition(seen, 'Stalled')?.status === 'True'
    const reconciling = condition(seen, 'Reconciling')?.status === 'True'
    // Only what nothing but a change mends is Stalled; a missing reference may come.
    expect([stalled, reconciling]).toEqual(type === 'Accepted' ? [true, false] : [false, true])
  })

  test('and what is good stays Ready', async ({ cluster: _ }) => {
    for (const good of GOOD.slice(0, -1)) {
      const { kind, metadata } = good as Named
      // No controllers play along here: a tenant with a host name waits for its certificate and its address.
      const type = kind === 'AITenant' ? 'Programmed' : 'Ready'
      // The gateway's Ready is about the newest configuration, which the pods may still be taking.
      await eventually(`${kind} ${metadata.name} ${type}`, async () => {
        const seen = await look(good)
        if (isSaid(seen, type, 'True')) return true
        throw new Error(JSON.stringify(seen?.status ?? 'nothing is said'))
      })
    }
    expect(operator.log()).not.toContain('"level":"error"')
  })
})
