// Programs that are built with Go from the modules in go/, each when it is first asked for, and kept in the user's cache.
import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cachedFolder } from '../cached-folder.ts'
import { cacheFolder, type Environment, run, type Tell, tellOnStderr } from '../programs.ts'

type Tool = {
  /** The folder in go/. */
  module: string
  /** The main package; one of upstream's own, when a path. */
  main: string
  /** The required module whose version is the tool's. */
  version: string
  /** About how long a first build takes on two cores. */
  time: string
}

const KUBERNETES = { module: 'kubernetes', version: 'k8s.io/kubernetes' }

const TOOLS = {
  etcd: { module: 'etcd', main: 'go.etcd.io/etcd/server/v3', version: 'go.etcd.io/etcd/server/v3', time: '1 minute' },
  'kube-apiserver': { ...KUBERNETES, main: 'k8s.io/kubernetes/cmd/kube-apiserver', time: '6 minutes' },
  'kube-controller-manager': {
    ...KUBERNETES,
    main: 'k8s.io/kubernetes/cmd/kube-controller-manager',
    time: '2 minutes',
  },
  'kube-scheduler': { ...KUBERNETES, main: 'k8s.io/kubernetes/cmd/kube-scheduler', time: '1 minute' },
  kubectl: { ...KUBERNETES, main: 'k8s.io/kubernetes/cmd/kubectl', time: '1 minute' },
  kwok: { module: 'kwok', main: 'sigs.k8s.io/kwok/cmd/kwok', version: 'sigs.k8s.io/kwok', time: '4 minutes' },
  helm: { module: 'helm', main: 'helm.sh/helm/v4/cmd/helm', version: 'helm.sh/helm/v4', time: '5 minutes' },
  kubeconform: {
    module: 'kubeconform',
    main: 'github.com/yannh/kubeconform/cmd/kubeconform',
    version: 'github.com/yannh/kubeconform',
    time: '1 minute',
  },
  kstatus: { module: 'kstatus', main: '.', version: 'github.com/fluxcd/cli-utils', time: '20 seconds' },
  lua: { module: 'lua', main: '.', version: 'github.com/yuin/gopher-lua', time: '10 seconds' },
} as const satisfies Record<string, Tool>

/** What can be built. */
export type GoToolName = keyof typeof TOOLS

/** How long one build may take, its downloads included. */
const BUILD_SECONDS = 30 * 60

/**
 * The path of a program, built if it is not in the cache for the sources that are here now; tells before and after.
 * Several processes may do this at once. Throws an Error in one line when there is no Go, or the build fails.
 */
export async function goTool(
  name: GoToolName,
  env: Environment = process.env,
  tell: Tell = tellOnStderr,
): Promise<string> {
  const tool = TOOLS[name]
  const source = join(import.meta.dirname, 'go', tool.module)
  const version = goToolVersion(name)
  const folder = await cachedFolder(`${name}-${version}-${fingerprint(source)}`, env, async work => {
    tell(`Building ${name} ${version} with Go into ${cacheFolder(env)}, once (about ${tool.time} on two cores)`)
    const started = performance.now()
    await build(name, { source, version, out: join(work, name), env })
    tell(`Built ${name} in ${Math.round((performance.now() - started) / 1000)} s`)
  })
  return join(folder, name)
}

/** The version that would be built, `v1.2.3`. */
export function goToolVersion(name: GoToolName): string {
  const { module: folder, version: module } = TOOLS[name]
  const goMod = join(import.meta.dirname, 'go', folder, 'go.mod')
  const required = readFileSync(goMod, 'utf8')
    .split('\n')
    .map(line =>
      line
        .trim()
        .replace(/^require /, '')
        .split(' '),
    )
    .find(([path, version]) => path === module && version?.startsWith('v'))
  if (!required?.[1]) throw new Error(`${goMod} does not require ${module}`)
  return required[1]
}

/** Eight hex digits that change with the module's sources and with the machine's kind. */
function fingerprint(source: string): string {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`)
  for (const file of globSync('{go.mod,go.sum,*.go}', { cwd: source }).toSorted()) {
    hash.update(`\n${file}\n`).update(readFileSync(join(source, file)))
  }
  return hash.digest('hex').slice(0, 8)
}

type Build = { source: string; version: string; out: string; env: Environment }

async function build(name: GoToolName, { source, version, out, env }: Build): Promise<void> {
  const { main, module } = TOOLS[name]
  const flags = `-s -w${module === 'kubernetes' ? stampOf(version) : ''}`
  const args = ['build', '-C', source, '-trimpath', '-ldflags', flags, '-o', out, main]
  const said = await run('go', args, { env: { ...env, ...GO_ENVIRONMENT }, seconds: BUILD_SECONDS })
  if (!said.ok) throw new Error(`${name} ${version} could not be built with Go: ${said.text}`)
}

/** What the user has set for work of their own must not change what is built here. */
const GO_ENVIRONMENT = { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly -buildvcs=false', GOWORK: 'off' }

/** Upstream writes its version in when it links; clients ask the API server for it. */
function stampOf(version: string): string {
  const [major, minor] = version.slice(1).split('.')
  const members = { gitVersion: version, gitMajor: major, gitMinor: minor }
  const packages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']
  return packages
    .flatMap(path => Object.entries(members).map(([member, value]) => ` -X ${path}.${member}=${value}`))
    .join('')
}
