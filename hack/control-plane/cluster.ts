// A test cluster as its users see it, from any process: kubectl, plain requests, and the tokens of its users.
import { randomBytes } from 'node:crypto'
import { Agent, request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import type { Environment } from '../programs.ts'
import { type Outcome, piped } from './piped.ts'

/** All that another process needs to use the cluster; JSON can carry it. */
export type ClusterAddress = {
  server: string
  /** PEM. */
  ca: string
  /** A file with one context for each user; the current one is `admin`. */
  kubeconfig: string
  /** Tokens by the users' names. */
  tokens: Readonly<Record<string, string>>
  /** The program. */
  kubectl: string
  /** Where kubectl keeps what it knows of the API. */
  kubectlCache: string
}

/** Who asks. A name that has no token is impersonated by the admin, with these groups. */
export type Who = { user?: string; groups?: readonly string[] }

/** An answer; `body` is parsed when it is JSON. */
export type Answer<T> = { code: number; body: T }

/** A request without kubectl. The body is JSON, a string goes as it is; a PATCH is a merge patch unless `contentType` says another. */
export type Call = Who & { body?: unknown; contentType?: string; token?: string }

/** What one can do with it. */
export type Cluster = {
  readonly address: ClusterAddress
  /** For kubectl, helm and other programs with a kubeconfig of their own accord. */
  readonly env: Environment
  /** Runs kubectl for at most 60 s. */
  kubectl: (args: readonly string[], given?: Who & { input?: string }) => Promise<Outcome>
  /** One request, for at most 10 s. Throws when there is no answer. */
  request: <T = unknown>(method: string, path: string, call?: Call) => Promise<Answer<T>>
  /** The token of a user of the token file. Throws when there is no such user. */
  tokenFor: (user: string) => string
  /** A token of a ServiceAccount, which must be there, for an hour. */
  serviceAccountToken: (namespace: string, name: string) => Promise<string>
  /** Makes a namespace of a name that nobody else uses, and returns the name. */
  newNamespace: (prefix: string) => Promise<string>
}

/** The admin's name: of the group system:masters, whom RBAC refuses nothing. */
export const ADMIN = 'admin'

const KUBECTL_SECONDS = 60
const REQUEST_MS = 10_000

/** Opens a cluster that runs already. Opening holds nothing: there is no closing. */
export function openCluster(address: ClusterAddress, env: Environment = process.env): Cluster {
  const { server, ca, tokens, kubeconfig } = address
  const agent = new Agent({ ca, keepAlive: false })
  const own = { ...env, KUBECONFIG: kubeconfig, KUBECACHEDIR: address.kubectlCache }

  const tokenFor = (user: string): string => {
    const token = tokens[user]
    if (token === undefined) throw new Error(`No user ${user} here, only ${Object.keys(tokens).join(', ')}`)
    return token
  }

  async function request<T>(method: string, path: string, call: Call = {}): Promise<Answer<T>> {
    const body = typeof call.body === 'string' ? call.body : JSON.stringify(call.body)
    const headers = { ...headersOf(method, call, tokens), ...(body && { 'content-length': Buffer.byteLength(body) }) }
    const { promise, resolve, reject } = Promise.withResolvers<Answer<T>>()
    const signal = AbortSignal.timeout(REQUEST_MS)
    httpsRequest(new URL(path, server), { method, agent, headers, signal }, reply => {
      text(reply).then(said => resolve({ code: reply.statusCode ?? 0, body: parsed<T>(said) }), reject)
    })
      .once('error', reject)
      .end(body)
    return await promise
  }

  return {
    address,
    env: own,
    tokenFor,
    request,
    async kubectl(args, { input, ...who } = {}) {
      const given = { env: own, seconds: KUBECTL_SECONDS, ...(input !== undefined && { input }) }
      return await piped(address.kubectl, [...kubectlFlags(who, tokens), ...args], given)
    },
    async serviceAccountToken(namespace, name) {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
      const made = await request<{ status?: { token?: string } }>('POST', path, { body: { spec: {} } })
      const token = made.body.status?.token
      if (!token) throw new Error(`No token for ServiceAccount ${namespace}/${name}: ${JSON.stringify(made.body)}`)
      return token
    },
    async newNamespace(prefix) {
      const name = `${prefix}-${randomBytes(4).toString('hex')}`
      const made = await request('POST', '/api/v1/namespaces', { body: { metadata: { name } } })
      if (made.code !== 201) throw new Error(`No namespace ${name}: ${JSON.stringify(made.body)}`)
      return name
    },
  }
}

function headersOf(method: string, call: Call, tokens: ClusterAddress['tokens']): Record<string, string | string[]> {
  const { user = ADMIN, groups = [], token = tokens[user] } = call
  const impersonation = token === undefined ? { 'impersonate-user': user, 'impersonate-group': [...groups] } : {}
  const contentType = call.contentType ?? (method === 'PATCH' ? 'application/merge-patch+json' : 'application/json')
  return {
    authorization: `Bearer ${token ?? tokens[ADMIN]}`,
    accept: 'application/json',
    'content-type': contentType,
    ...impersonation,
  }
}

function kubectlFlags({ user = ADMIN, groups = [] }: Who, tokens: ClusterAddress['tokens']): string[] {
  if (tokens[user] !== undefined) return [`--context=${user}`]
  return [`--as=${user}`, ...groups.map(group => `--as-group=${group}`)]
}

function parsed<T>(said: string): T {
  try {
    const body: T = JSON.parse(said)
    return body
  } catch {
    const body: unknown = said
    return body as T
  }
}
