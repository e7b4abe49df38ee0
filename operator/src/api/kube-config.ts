// Where the API server is and how we prove who we are: the cluster we run in, or a kubeconfig.
import { KubeConfig } from '@kubernetes/client-node'
import { type Clock, systemClock } from './clock.ts'

/** What TLS towards the API server is made of. */
export interface ClientTls {
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>
  readonly tls: ClientTls
}

/** Files are looked at again this often; a service account's token is valid for minutes after it was replaced. */
const FRESH_MS = 10_000
/** A server that refuses everybody must not make us run credential plugins all the time. */
const REFRESH_MS = 1_000

/** Access to one API server. Credentials are read again as files rotate. */
export class ClusterAccess {
  readonly #load: () => KubeConfig
  readonly #clock: Clock
  #config: KubeConfig
  #loadedAt: number
  #known: { at: number; credentials: Promise<Credentials> } | undefined

  /**
   * `kubeconfig` is a path, or several joined by ":"; without it the operator's own service account is used. Throws
   * when there is neither.
   */
  constructor({ kubeconfig, clock = systemClock }: { kubeconfig?: string | undefined; clock?: Clock } = {}) {
    this.#load = () => (kubeconfig === undefined || kubeconfig === '' ? inCluster() : fromFiles(kubeconfig))
    this.#clock = clock
    this.#config = this.#load()
    this.#loadedAt = clock.now()
  }

  /** Address of the API server, with the path it may stand below. */
  get server(): URL {
    return new URL(clusterOf(this.#config).server)
  }

  /** Headers and TLS for a call made now. Rejects when a file or a credential plugin cannot be read. */
  credentials(): Promise<Credentials> {
    const now = this.#clock.now()
    if (this.#known && now - this.#known.at < FRESH_MS) return this.#known.credentials
    const credentials = readCredentials(this.#config)
    const known = { at: now, credentials }
    this.#known = known
    credentials.catch(() => {
      if (this.#known === known) this.#known = undefined
    })
    return credentials
  }

  /** Forgets what was read: the next call reads kubeconfig, token and certificates anew. */
  refresh(): void {
    const now = this.#clock.now()
    if (now - this.#loadedAt < REFRESH_MS) return
    this.#config = this.#load()
    this.#loadedAt = now
    this.#known = undefined
  }
}

function clusterOf(config: KubeConfig): NonNullable<ReturnType<KubeConfig['getCurrentCluster']>> {
  const cluster = config.getCurrentCluster()
  if (!cluster) throw new Error('the kubeconfig names no cluster in its current context: set current-context')
  if (cluster.proxyUrl !== undefined && cluster.proxyUrl !== '') {
    throw new Error(`the kubeconfig's cluster ${cluster.name} has a proxy-url, which the operator does not use`)
  }
  return cluster
}

function inCluster(): KubeConfig {
  const config = new KubeConfig()
  config.loadFromCluster()
  if (!URL.canParse(clusterOf(config).server) || clusterOf(config).server.includes('undefined')) {
    throw new Error('this is no pod of a cluster, and no kubeconfig was given: set KUBECONFIG to the path of one')
  }
  return config
}

function fromFiles(paths: string): KubeConfig {
  const config = new KubeConfig()
  for (const [index, path] of paths.split(':').filter(Boolean).entries()) {
    if (index === 0) {
      config.loadFromFile(path)
      continue
    }
    const more = new KubeConfig()
    more.loadFromFile(path)
    config.mergeConfig(more, true)
  }
  clusterOf(config)
  return config
}

/** The library's own agent, which comes with the options, is never used: the client has one pool. */
async function readCredentials(config: KubeConfig): Promise<Credentials> {
  const options: HttpsOptions = {}
  await config.applyToHTTPSOptions(options)
  const headers = Object.fromEntries(
    Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value).trim()]),
  )
  if (options.auth) headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`
  const { ca, cert, key, servername, rejectUnauthorized } = options
  return {
    headers,
    tls: {
      ...(isPem(ca) && { ca }),
      ...(isPem(cert) && { cert }),
      ...(isPem(key) && { key }),
      ...(typeof servername === 'string' && { servername }),
      ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
    },
  }
}

type HttpsOptions = Exclude<Parameters<KubeConfig['applyToHTTPSOptions']>[0], undefined>

function isPem(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value)
}
