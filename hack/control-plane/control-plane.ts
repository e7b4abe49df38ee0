// A real Kubernetes API server with its store and controllers on this machine, without containers: for tests and people.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  END_AT_ONCE,
  endAtOnce,
  freePort,
  hasEnded,
  lastLines,
  onFreePort,
  spawnTethered,
  type Tethered,
  until,
} from '../local-server.ts'
import type { Environment } from '../programs.ts'
import { ADMIN, type Cluster, openCluster } from './cluster.ts'
import { type ControlPlanePrograms, findPrograms } from './find-programs.ts'
import { apiServerFlags, controllerManagerFlags, etcdFlags } from './flags.ts'

/** A user of the token file. */
export type StaticUser = { name: string; groups?: readonly string[] }

/** What to start. */
export type ControlPlaneOptions = {
  /** Holds data, keys, logs and the kubeconfig; made when missing. What an earlier one left in it is not used again. */
  dir: string
  /** Users beside the admin; if not given, `tenant-a-admin`, `tenant-b-admin` and `nobody`. */
  users?: readonly StaticUser[]
}

/** Users without any right until a test grants them some. */
const STATIC_USERS: readonly StaticUser[] = [{ name: 'tenant-a-admin' }, { name: 'tenant-b-admin' }, { name: 'nobody' }]

/** A running control plane. All of it ends when this process ends, however that happens. */
export type ControlPlane = Cluster & {
  readonly programs: ControlPlanePrograms
  /** Ends all of it at once; its data is worth nothing any more. */
  stop: () => Promise<void>
  /** Ends the API server as a crash would, and waits until it is gone. */
  killApiServer: () => Promise<void>
  /** Starts it again where it was, and waits until it answers. */
  startApiServer: () => Promise<void>
  /**
   * Forgets every revision but the newest, which it returns. The API server answers from its memory of older ones until
   * its next start; from then on they are `410 Gone`, for lists and watches.
   */
  compact: () => Promise<string>
}

/** How long a program may take to be ready, on a machine that does much else too. */
const START_MS = 60_000

/** Starts one and waits until it is ready. Throws with the end of the log of the program that failed. */
export async function startControlPlane(
  options: ControlPlaneOptions,
  env: Environment = process.env,
): Promise<ControlPlane> {
  const programs = await findPrograms(env)
  const dir = freshFolder(options.dir)
  const started: Tethered[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(started.map(endAtOnce))
  }
  const launch: Launch = async (name, command, ready) => {
    const program = await launchProgram({ name, command, dir, env }, ready)
    started.push(program)
    return program
  }
  try {
    return { ...(await startAll({ options, programs, dir, env }, launch)), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

type Plan = { options: ControlPlaneOptions; programs: ControlPlanePrograms; dir: string; env: Environment }

type Launch = (name: string, command: string[], ready: () => Promise<boolean>) => Promise<Tethered>

async function startAll(plan: Plan, launch: Launch): Promise<Omit<ControlPlane, 'stop'>> {
  const { programs, dir, env } = plan
  const tokens = writeIdentity(dir, plan.options.users ?? STATIC_USERS)
  const etcd = await onFreePort(port => startEtcd(plan, port, launch))
  let apiServer: Tethered | undefined
  const startApiServer = async (port: number): Promise<Cluster> => {
    const ready = (): Promise<boolean> => answers(openOn(plan, port, tokens))
    apiServer = await launch('kube-apiserver', [programs.apiServer, ...apiServerFlags(dir, port, etcd)], ready)
    const cluster = openOn(plan, port, tokens)
    if (!cluster) throw new Error('The API server answered without a certificate')
    return cluster
  }
  const cluster = await onFreePort(startApiServer)
  const { port } = new URL(cluster.address.server)
  const manager = [programs.controllerManager, ...controllerManagerFlags(cluster.address.kubeconfig)]
  await launch('kube-controller-manager', manager, () => hasDefaultServiceAccount(cluster))
  return {
    ...cluster,
    env: { ...env, ...cluster.env },
    programs,
    async killApiServer() {
      if (apiServer) await endAtOnce(apiServer)
    },
    async startApiServer() {
      if (apiServer && !hasEnded(apiServer)) throw new Error('The API server runs already')
      await startApiServer(Number(port))
    },
    compact: () => compact(etcd),
  }
}

/* --------------------------------------------------------------- programs */

type Program = { name: string; command: string[]; dir: string; env: Environment }

async function launchProgram({ name, command, dir, env }: Program, ready: () => Promise<boolean>): Promise<Tethered> {
  const log = join(dir, `${name}.log`)
  const program = spawnTethered({ command, log, env, lastWish: END_AT_ONCE })
  const isReady = await Promise.race([until(ready, START_MS), program.exited.then(() => false)])
  if (isReady && !hasEnded(program)) return program
  const outcome = hasEnded(program) ? 'ended at once' : `was not ready in ${START_MS / 1000} s`
  await endAtOnce(program)
  throw new Error(`${name} ${outcome}. The end of ${log}:\n${lastLines(log)}`)
}

async function startEtcd({ programs, dir }: Plan, port: number, launch: Launch): Promise<string> {
  const url = `http://127.0.0.1:${port}`
  const flags = etcdFlags(join(dir, 'etcd'), url, await freePort())
  await launch('etcd', [programs.etcd, ...flags], async () => (await etcdSays(url, '/health', 'GET')) !== undefined)
  return url
}

/** Its answer to a request; undefined when it has none, or says no. */
async function etcdSays(url: string, path: string, method: string, body?: object): Promise<unknown> {
  try {
    const answer = await fetch(`${url}${path}`, {
      method,
      signal: AbortSignal.timeout(5000),
      ...(body && { body: JSON.stringify(body) }),
    })
    const said: unknown = await answer.json()
    return answer.ok ? said : undefined
  } catch {
    return undefined
  }
}

async function compact(etcd: string): Promise<string> {
  const key = Buffer.from('/').toString('base64')
  const found = await etcdSays(etcd, '/v3/kv/range', 'POST', { key, limit: 1 })
  const { header } = Object(found) as { header?: { revision?: string } }
  const revision = header?.revision
  if (!revision) throw new Error('etcd does not say its revision')
  const done = await etcdSays(etcd, '/v3/kv/compaction', 'POST', { revision, physical: true })
  if (!done) throw new Error(`etcd did not compact to revision ${revision}`)
  return revision
}

async function answers(cluster: Cluster | undefined): Promise<boolean> {
  return await says200(cluster, '/readyz')
}

/** The controllers make it, so they are at work. */
async function hasDefaultServiceAccount(cluster: Cluster): Promise<boolean> {
  return await says200(cluster, '/api/v1/namespaces/default/serviceaccounts/default')
}

async function says200(cluster: Cluster | undefined, path: string): Promise<boolean> {
  try {
    return (await cluster?.request('GET', path))?.code === 200
  } catch {
    return false
  }
}

/* --------------------------------------------------------------- identity */

/** Without what another control plane left there. */
function freshFolder(given: string): string {
  const dir = resolve(given)
  for (const old of ['etcd', 'certificates', 'kubectl-cache']) rmSync(join(dir, old), { recursive: true, force: true })
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  return dir
}

/** Writes the key of ServiceAccounts and the users' tokens; returns the tokens. */
function writeIdentity(dir: string, users: readonly StaticUser[]): Record<string, string> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  write(dir, 'service-accounts.key', privateKey)
  write(dir, 'service-accounts.pub', publicKey)
  const all = [{ name: ADMIN, groups: ['system:masters'] }, ...users]
  const rows = all.map(({ name, groups = [] }) => ({ name, token: randomBytes(24).toString('hex'), groups }))
  write(
    dir,
    'tokens.csv',
    rows.map(({ name, token, groups }) => `${token},${name},${name},"${groups.join(',')}"\n`).join(''),
  )
  return Object.fromEntries(rows.map(({ name, token }) => [name, token]))
}

function write(dir: string, name: string, content: string): string {
  const path = join(dir, name)
  writeFileSync(path, content, { mode: 0o600 })
  return path
}

/** The cluster behind a port; undefined until the API server has made its certificate. */
function openOn({ dir, env, programs }: Plan, port: number, tokens: Record<string, string>): Cluster | undefined {
  const certificate = join(dir, 'certificates', 'apiserver.crt')
  if (!existsSync(certificate)) return undefined
  const ca = readFileSync(certificate, 'utf8')
  const server = `https://127.0.0.1:${port}`
  const kubeconfig = write(dir, 'kubeconfig', kubeconfigText(server, ca, tokens))
  const kubectlCache = join(dir, 'kubectl-cache')
  return openCluster({ server, ca, kubeconfig, tokens, kubectl: programs.kubectl, kubectlCache }, env)
}

/** JSON is YAML too. */
function kubeconfigText(server: string, ca: string, tokens: Record<string, string>): string {
  const cluster = { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'smartflow-test', cluster }],
    users: Object.entries(tokens).map(([name, token]) => ({ name, user: { token } })),
    contexts: Object.keys(tokens).map(name => ({ name, context: { cluster: 'smartflow-test', user: name } })),
    'current-context': ADMIN,
  }
  return `${JSON.stringify(config, undefined, 2)}\n`
}
