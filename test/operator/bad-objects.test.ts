// What a real API server says to the resources: what it refuses, where and in which words, what it accepts, explains and
// keeps. core/src/crd/parity.test.ts holds the folder to the same table.
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, inject } from 'vitest'
import { parse } from 'yaml'
import { DEFINITIONS } from '../../core/src/resources/definitions.ts'
import type { Kind } from '../../core/src/resources/resource.ts'
import { type Cluster, openCluster } from '../../hack/control-plane/cluster.ts'
import { test } from './cluster-test.ts'
import { applyOwnDefinitions } from './own-definitions.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const GROUP = '/apis/smartflow.dev/v1alpha1'

type Case = { kind: Kind; spec: object; field?: string; says?: string }
type Status = { message?: string; reason?: string }

function cases(file: string): Case[] {
  return parse(readFileSync(join(ROOT, `core/src/crd/testdata/${file}.yaml`), 'utf8'))
}

function placeOf(kind: Kind, namespace: string): string {
  const { scope, plural } = DEFINITIONS[kind]
  return scope === 'Cluster' ? `${GROUP}/${plural}` : `${GROUP}/namespaces/${namespace}/${plural}`
}

async function offer(cluster: Cluster, namespace: string, { kind, spec }: Case) {
  const body = { apiVersion: 'smartflow.dev/v1alpha1', kind, metadata: { name: 'offered' }, spec }
  return await cluster.request<Status>('POST', `${placeOf(kind, namespace)}?dryRun=All&fieldValidation=Strict`, {
    body,
  })
}

beforeAll(async () => {
  const address = inject('cluster')
  if (address) await applyOwnDefinitions(openCluster(address))
})

describe('the API server', () => {
  test.for(cases('refused'))('refuses $kind $spec at $field', async (each, { cluster, namespace }) => {
    const { code, body } = await offer(cluster, namespace, each)
    expect(code).toBe(422)
    expect(body.message).toContain(each.field)
    expect(body.message).toContain(each.says ?? '')
  })

  test.for(cases('accepted'))('accepts $kind $spec', async (each, { cluster, namespace }) => {
    const { code, body } = await offer(cluster, namespace, each)
    expect({ code, message: body.message }).toEqual({ code: 201, message: undefined })
  })

  test('refuses fields that no schema has', async ({ cluster, namespace }) => {
    const { code, body } = await offer(cluster, namespace, { kind: 'VirtualKey', spec: { alias: 'a', bugdet: {} } })
    expect(code).toBe(400)
    expect(body.message).toContain('spec.bugdet')
  })

  test('lets nobody change an alias, and everything else', async ({ cluster, namespace }) => {
    const place = placeOf('VirtualKey', namespace)
    const body = {
      apiVersion: 'smartflow.dev/v1alpha1',
      kind: 'VirtualKey',
      metadata: { name: 'a' },
      spec: { alias: 'a' },
    }
    expect((await cluster.request('POST', place, { body })).code).toBe(201)
    const renamed = await cluster.request<Status>('PATCH', `${place}/a`, { body: { spec: { alias: 'b' } } })
    expect(renamed).toMatchObject({ code: 422 })
    expect(renamed.body.message).toContain('cannot be changed: records and budgets go by it')
    expect((await cluster.request('PATCH', `${place}/a`, { body: { spec: { suspend: true } } })).code).toBe(200)
  })

  test('says of an object that nobody looked at that it is not observed', async ({ cluster, namespace }) => {
    const place = placeOf('VirtualKey', namespace)
    const body = {
      apiVersion: 'smartflow.dev/v1alpha1',
      kind: 'VirtualKey',
      metadata: { name: 'b' },
      spec: { alias: 'b' },
    }
    const made = await cluster.request('POST', place, { body })
    expect(made.body).toMatchObject({ status: { observedGeneration: -1 }, spec: { role: 'InternalUser' } })
    const found = await cluster.request<{ items: object[] }>('GET', `${place}?fieldSelector=spec.alias%3Db`)
    expect(found.body.items).toHaveLength(1)
    const listed = await cluster.kubectl(['get', 'aigw', '-n', namespace])
    expect(listed.stdout).toMatch(/ALIAS +READY +BUDGET +SPENT +EXPIRES +AGE/)
  })

  test.for(Object.values(DEFINITIONS))('explains $plural', async ({ plural }, { cluster }) => {
    const { code, stdout } = await cluster.kubectl(['explain', `${plural}.spec`])
    expect(code).toBe(0)
    expect(stdout).toContain('FIELDS:')
    expect(stdout).not.toContain('<no description>')
  })

  test.for(globSync('config/samples/*/*.yaml', { cwd: ROOT }))('accepts the sample %s', async (file, { cluster }) => {
    const text = readFileSync(join(ROOT, file), 'utf8')
    const namespaces = new Set([...text.matchAll(/^ {2}namespace: (\S+)$/gm)].map(match => match[1]))
    for (const name of namespaces) await cluster.request('POST', '/api/v1/namespaces', { body: { metadata: { name } } })
    const args = ['apply', '--server-side', '--dry-run=server', `--filename=${join(ROOT, file)}`]
    expect(await cluster.kubectl(args)).toMatchObject({ code: 0, stderr: '' })
  })
})
