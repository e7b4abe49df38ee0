// An installation by the chart on a control plane of its own: its rights, its admission policies and its sidecars, with
// an operator that runs under the chart's ServiceAccount. Nothing of it may do more than the chart says.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inject } from 'vitest'
import { type ControlPlane, startControlPlane } from '../../hack/control-plane/control-plane.ts'
import type { Cluster } from '../../hack/control-plane/cluster.ts'
import { loadCrds } from '../../hack/control-plane/crds.ts'
import { temporary } from '../e2e/gateway.ts'
import { fresh } from '../e2e/resources.ts'
import { CHART, helm, objectsOf, type Rendered } from './helm.ts'
import { NGINX_GATEWAY_DEFINITIONS } from './nginx-gateway-crds.ts'
import { applyOwnDefinitions } from './own-definitions.ts'
import { apply, createGatewayService, type Place } from './stack.ts'

const ROOT = join(import.meta.dirname, '../..')

/** The namespace of the release. */
export const SYSTEM = 'smartflow-system'

/** Parts of the chart that a test may leave out. */
type Part = 'rights' | 'admission' | 'sidecar'

const PARTS: Readonly<Record<Part, RegExp>> = {
  rights: /^(ServiceAccount|(Cluster)?Role(Binding)?)$/,
  admission: /^ValidatingAdmissionPolicy/,
  sidecar: /^MutatingAdmissionPolicy/,
}

/** What was installed. `place.cluster` is the control plane. */
export interface Installed {
  readonly cluster: ControlPlane
  readonly place: Place
  /** A kubeconfig of the operator's ServiceAccount. */
  readonly kubeconfig: string
  /** The operator's token, to ask what it may do. */
  readonly token: string
}

/** Starts a control plane and installs the chart's parts; workloads are for tests to start. */
export async function install(parts: readonly Part[], values: object = {}): Promise<Installed> {
  const cluster = await startControlPlane({ dir: join(temporary(), 'control-plane') })
  try {
    await Promise.all([loadCrds(cluster), applyOwnDefinitions(cluster)])
    await apply(cluster, { apiVersion: 'v1', kind: 'List', items: NGINX_GATEWAY_DEFINITIONS })
    await apply(cluster, namespace(SYSTEM))
    const place = { cluster, namespace: SYSTEM, gateway: fresh('gw'), redisUrl: inject('redisUrl') }
    await applyParts(place, parts, values)
    await createGatewayService(place)
    const token = await cluster.serviceAccountToken(SYSTEM, `${place.gateway}-operator`)
    return { cluster, place, token, kubeconfig: kubeconfigOf(cluster, token) }
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

/** Applies parts of the chart as rendered; hooks of an uninstallation are not among them. */
async function applyParts({ cluster, gateway }: Place, parts: readonly Part[], values: object): Promise<void> {
  const items = (await renderChart(cluster, gateway, values)).filter(
    ({ kind, metadata }) =>
      parts.some(part => PARTS[part].test(kind)) && metadata.annotations?.['helm.sh/hook'] === undefined,
  )
  await apply(cluster, { apiVersion: 'v1', kind: 'List', items })
}

async function renderChart(cluster: Cluster, release: string, values: object): Promise<readonly Rendered[]> {
  const file = join(temporary(), 'values.yaml')
  writeFileSync(file, JSON.stringify(values))
  const flags = ['--namespace', SYSTEM, '--values', file, '--kube-version=1.36.0']
  return objectsOf(await helm(cluster, ['template', release, CHART, ...flags]))
}

/** A namespace as an object. */
export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}

/** The samples of a tenant, for this installation, with a name of the tenant that nobody else has. */
export function samples({ gateway }: Place, tenant: string): string {
  const folder = join(ROOT, 'config/samples/tenant')
  return readdirSync(folder)
    .filter(name => name.endsWith('.yaml'))
    .map(name => readFileSync(join(folder, name), 'utf8'))
    .join('\n---\n')
    .replaceAll('smartflow-gateway', `${gateway}-gateway`)
    .replaceAll('name: acme\n', `name: ${tenant}\n`)
}

function kubeconfigOf({ address: { server, ca } }: Cluster, token: string): string {
  const name = 'operator'
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  }
  const file = join(temporary(), 'kubeconfig')
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
  return file
}
