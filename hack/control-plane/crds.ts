// The real custom resource definitions of other projects, out of their Go modules, for the test cluster.
import { cpSync, globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cachedFolder } from '../cached-folder.ts'
import { until } from '../local-server.ts'
import { type Environment, run, type Tell, tellOnStderr } from '../programs.ts'
import type { Cluster } from './cluster.ts'

const MODULES = {
  'gateway-api': {
    module: 'sigs.k8s.io/gateway-api@v1.6.3',
    sum: 'h1:lKpJa5bGlraC/QeACvCpsHLdmO6y0iKfzVl6gzaFEYc=',
    files: 'config/crd/standard/*.yaml',
  },
  'cert-manager': {
    module: 'github.com/cert-manager/cert-manager@v1.21.2',
    sum: 'h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=',
    files: 'deploy/crds/*.yaml',
  },
  'prometheus-operator': {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    sum: 'h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=',
    // Those of the servers that it runs are many times as large, and nothing here makes such objects.
    files: 'example/prometheus-operator-crd/*_{podmonitors,prometheusrules,servicemonitors}.yaml',
  },
} as const

/** Whose definitions there are. */
export type CrdSource = keyof typeof MODULES

/** All of them. */
export const CRD_SOURCES: readonly CrdSource[] = ['gateway-api', 'cert-manager', 'prometheus-operator']

/**
 * Applies definitions and waits until the API server serves them; again is harmless. Gateway API's come with upstream's
 * ValidatingAdmissionPolicy that guards their upgrades. Needs Go the first time, to download (55 MB in all).
 */
export async function loadCrds(
  cluster: Cluster,
  names: readonly CrdSource[] = CRD_SOURCES,
  env: Environment = process.env,
): Promise<void> {
  const folders = await Promise.all(names.map(name => crdFolder(name, env)))
  const files = folders.flatMap(folder => globSync('*.yaml', { cwd: folder }).map(file => join(folder, file)))
  const documents = files
    .flatMap(file => readFileSync(file, 'utf8').split(/^---$/m))
    .filter(text => /^kind:/m.test(text))
  const paths: string[] = []
  for (const document of documents) paths.push(await apply(cluster, document))
  const definitions = paths.filter(path => path.includes('/customresourcedefinitions/'))
  if (await until(() => areServed(cluster, definitions), SERVED_MS)) return
  throw new Error(`The API server does not serve the definitions of ${names.join(', ')} after ${SERVED_MS / 1000} s`)
}

/** How long the API server may take to serve what it was given. */
const SERVED_MS = 30_000

/** Where the API server keeps a kind. */
const PLACES: Readonly<Record<string, string>> = {
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  ValidatingAdmissionPolicy: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
}

/** The API server reads YAML itself, much sooner than kubectl does. Returns the object's path. */
async function apply(cluster: Cluster, document: string): Promise<string> {
  const [kind = '', name = ''] = [/^kind: "?([^\s"]+)/m, /^ {2}name: "?([^\s"]+)/m].map(
    line => line.exec(document)?.[1],
  )
  const path = `${PLACES[kind]}/${name}`
  const call = { body: document, contentType: 'application/apply-patch+yaml' }
  const { code, body } = await cluster.request('PATCH', `${path}?fieldManager=upstream&force=true`, call)
  if (code > 201) throw new Error(`The API server said ${code} to ${kind} ${name}: ${JSON.stringify(body)}`)
  return path
}

type Definition = { status?: { conditions?: { type: string; status: string }[] } }

async function areServed(cluster: Cluster, paths: readonly string[]): Promise<boolean> {
  for (const path of paths) {
    const { body } = await cluster.request<Definition>('GET', path)
    const isServed = body.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')
    if (isServed !== true) return false
  }
  return true
}

/** A folder with the YAML files of one source, in the user's cache. Throws when they are neither there nor to be had. */
export async function crdFolder(
  name: CrdSource,
  env: Environment = process.env,
  tell: Tell = tellOnStderr,
): Promise<string> {
  const { module, sum, files } = MODULES[name]
  const version = module.slice(module.indexOf('@') + 1)
  return await cachedFolder(`crds-${name}-${version}`, env, async work => {
    tell(`Downloading the definitions of ${name} ${version} with Go, once`)
    const go = { env: { ...env, GOTOOLCHAIN: 'local', GOFLAGS: '', GOWORK: 'off' }, seconds: 300, cwd: work }
    const said = await run('go', ['mod', 'download', '-json', module], go)
    if (!said.ok) throw new Error(`The definitions of ${name} ${version} could not be downloaded: ${said.text}`)
    const got: { Dir?: string; Sum?: string } = JSON.parse(said.text)
    if (got.Sum !== sum) throw new Error(`${module} has the sum ${got.Sum}, not ${sum}: it is not what it should be`)
    const found = globSync(files, { cwd: got.Dir ?? '' })
    if (found.length === 0) throw new Error(`${module} holds no ${files}`)
    for (const file of found) cpSync(join(got.Dir ?? '', file), join(work, basename(file)))
  })
}
