// The gateway's own CRDs on the test cluster.
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Cluster } from '../../hack/control-plane/cluster.ts'
import { eventually } from '../e2e/gateway.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const PLACE = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

type Definition = { status?: { conditions?: { type: string; status: string }[] } }

/** Applies crds/ and waits until all are served; again is harmless. Throws with what the API server has against one. */
export async function applyOwnDefinitions(cluster: Cluster): Promise<void> {
  const names: string[] = []
  for (const file of globSync('crds/*.yaml', { cwd: ROOT })) {
    const body = readFileSync(join(ROOT, file), 'utf8')
    const name = /^ {2}name: (\S+)$/m.exec(body)?.[1] ?? ''
    const call = { body, contentType: 'application/apply-patch+yaml' }
    const said = await cluster.request('PATCH', `${PLACE}/${name}?fieldManager=test&force=true`, call)
    if (said.code > 201) throw new Error(`The API server said ${said.code} to ${file}: ${JSON.stringify(said.body)}`)
    names.push(name)
  }
  for (const name of names) await eventually(`${name} to be served`, async () => await isServed(cluster, name))
}

async function isServed(cluster: Cluster, name: string): Promise<true | undefined> {
  const { body } = await cluster.request<Definition>('GET', `${PLACE}/${name}`)
  const established = body.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')
  const [plural, ...group] = name.split('.')
  // The path comes a moment after the condition.
  const { code } = await cluster.request('GET', `/apis/${group.join('.')}/v1alpha1/${plural}?limit=1`)
  return established === true && code === 200 ? true : undefined
}
