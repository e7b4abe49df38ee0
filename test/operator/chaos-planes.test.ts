// Data planes in trouble: one that rejects what is published, one that never says a word, and a removal of most keys at once.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { newSigningKeys } from '../../core/src/snapshot/signing.ts'
import { addGatewayPod, removePod } from '../../hack/control-plane/gateway-pods.ts'
import { eventually, temporary } from '../e2e/gateway.ts'
import { everyPlane } from './chaos-prober.ts'
import { gatewaySeen, neverNoticed, TENANT, tenantAtWork, tenantSeen } from './chaos-tenant.ts'
import { allReady, create, createAll, isGone, key, remove, tokenOf } from './chaos-world.ts'
import { test } from './cluster-test.ts'
import { condition, isSaid, mountedKeys, see, seeAll, startOperator, startPlane } from './stack.ts'

const held = tenantAtWork()

describe('data planes in trouble', { timeout: 180_000 }, () => {
  neverNoticed(held)

  test('one that does not believe the signature is named with its reason, the others serve on', async ({
    cluster: _,
  }) => {
    const { world, planes } = held
    const keysDir = join(temporary(), 'other-keys')
    mkdirSync(keysDir)
    writeFileSync(join(keysDir, 'master.key'), readFileSync(join(await mountedKeys(world), 'master.key')))
    writeFileSync(join(keysDir, 'signing.pub'), newSigningKeys().publicKey)
    // It is never up: its pod is ready all the same, as with a probe that somebody took out.
    const up = startPlane(world, { keysDir, readyMs: 40_000 }).then(
      () => 'up',
      () => 'never up',
    )
    const tenant = await eventually('the tenant names it', async () => {
      const seen = await tenantSeen(held)
      const message = condition(seen, 'Programmed')?.message ?? ''
      const isWhole = /2 of 3 pods serve it; refused by smartflow-gateway-\d+: .*sign/.test(message)
      return isSaid(seen, 'Programmed', 'False', 'DataPlaneRejected') && isWhole && seen
    })
    const said = condition(tenant, 'Programmed')?.message ?? ''
    await expect
      .poll(async () => (await gatewaySeen(held))?.status?.['dataPlane'])
      .toMatchObject({ ready: 3, current: 2, rejected: 1 })
    const pod = /refused by (\S+):/.exec(said)?.[1] ?? ''
    await create(world, key(TENANT, 'meanwhile'))
    await everyPlane(planes, await tokenOf(world, TENANT, 'meanwhile'), 200)
    await removePod(world.cluster, world.namespace, pod)
    await remove(world, 'virtualkeys', 'meanwhile', TENANT)
    await isGone(world, TENANT, 'meanwhile')
    expect(await up).toBe('never up')
  })

  test('one that is ready and says nothing is named, and keeps deleted keys until it is gone', async ({
    cluster: _,
  }) => {
    const { world, planes } = held
    await create(world, key(TENANT, 'kept'))
    const token = await tokenOf(world, TENANT, 'kept')
    await everyPlane(planes, token, 200)
    const labels = { 'app.kubernetes.io/name': 'smartflow', 'app.kubernetes.io/component': 'gateway' }
    await addGatewayPod(world.cluster, { namespace: world.namespace, name: 'silent', labels, ip: '10.244.200.1' })
    await eventually('it is named', async () => {
      const said = condition(await tenantSeen(held), 'Programmed')
      return said?.status === 'False' && said.reason === 'PartiallyProgrammed' && said.message.includes('silent')
    })
    await remove(world, 'virtualkeys', 'kept', TENANT)
    await everyPlane(planes, token, 401)
    await eventually('the key says whom it waits for', async () => {
      const said = condition(await see(world.cluster, 'virtualkeys', 'kept', TENANT), 'DeletionBlocked')
      return said?.status === 'True' && said.message.includes('silent')
    })
    await removePod(world.cluster, world.namespace, 'silent')
    await isGone(world, TENANT, 'kept')
  })

  test('most keys go at once: held back, looked at again, and let go', async ({ cluster: _ }) => {
    const { world, planes } = held
    const many = Array.from({ length: 24 }, (_each, at) => `many-${at}`)
    await createAll(
      world,
      many.map(name => key(TENANT, name)),
    )
    await allReady(world, { tenant: TENANT })
    const token = await tokenOf(world, TENANT, 'many-0')
    await everyPlane(planes, token, 200)
    // While nobody looks, so that the next operator sees all of it at once.
    await held.operator.stop()
    for (const name of many) await remove(world, 'virtualkeys', name, TENANT)
    held.operator = await startOperator(world)
    await everyPlane(planes, token, 401)
    await eventually('all of them are gone', async () => (await seeAll(world.cluster, 'virtualkeys')).length === 2)
    expect(held.operator.log()).toMatch(/held back: \d+ of \d+ objects would go at once/)
  })
})
