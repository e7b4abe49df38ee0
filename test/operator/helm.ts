// Helm on this repository's charts, against the test cluster.
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Cluster } from '../../hack/control-plane/cluster.ts'
import { goTool } from '../../hack/control-plane/go-tool.ts'
import { piped } from '../../hack/control-plane/piped.ts'
import { temporary } from '../e2e/gateway.ts'

const ROOT = join(import.meta.dirname, '../..')

/** The chart of the definitions; it has to be installed first. */
export const CRD_CHART = join(ROOT, 'charts/smartflow-crds')
/** The chart of operator, gateway and management. */
export const CHART = join(ROOT, 'charts/smartflow')

/** Values files that stand for kinds of installations, by name. */
export const INSTALLATIONS: readonly { name: string; file: string }[] = globSync(join(CHART, 'ci/*-values.yaml'))
  .toSorted()
  .map(file => ({ name: basename(file, '-values.yaml'), file }))

/** A part of an object as rendered; what is not named here is looked at as unknown. */
export interface Rendered {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec?: unknown
  readonly rules?: readonly {
    readonly apiGroups: readonly string[]
    readonly resources: readonly string[]
    readonly verbs: readonly string[]
  }[]
}

/** Runs helm for two minutes at most; it keeps nothing in the user's own folders. Throws with helm's words when it fails. */
export async function helm(cluster: Cluster, args: readonly string[]): Promise<string> {
  const home = temporary()
  const own = { HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home, HELM_PLUGINS: home }
  const said = await piped(await goTool('helm'), args, { env: { ...cluster.env, ...own }, seconds: 120 })
  if (said.code !== 0) throw new Error(`helm ${args.join(' ')}: ${said.stderr}`)
  return said.stdout
}

/** Flags that render for a cluster with the Prometheus operator. */
const MONITORED = ['--kube-version=1.36.0', '--api-versions=monitoring.coreos.com/v1']

/** What the chart renders to, as text. */
export async function render(cluster: Cluster, namespace: string, file: string): Promise<string> {
  return await helm(cluster, ['template', 'shop', CHART, '--namespace', namespace, '--values', file, ...MONITORED])
}

/** The objects of rendered text. */
export function objectsOf(text: string): Rendered[] {
  return parseAllDocuments(text, { merge: false })
    .map(document => document.toJS() as Rendered | null)
    .filter(object => object !== null)
}

/**
 * Installs the definitions unless they are there; two tests may do so at once. They stay: other tests use them too.
 */
export async function installDefinitions(cluster: Cluster): Promise<void> {
  const text = await helm(cluster, ['template', 'definitions', CRD_CHART])
  const applied = await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '--filename=-'], {
    input: text,
  })
  if (applied.code !== 0) throw new Error(applied.stderr)
  const names = objectsOf(text).map(({ metadata }) => `crd/${metadata.name}`)
  const served = await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=30s', ...names])
  if (served.code !== 0) throw new Error(served.stderr)
}
