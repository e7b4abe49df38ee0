// The environment as typed settings. Read once, in main.ts; a wrong value stops the start with what to write instead.
import { z } from 'zod'

/** Ports of design "From outside": each by its own variable. */
const DEFAULT_PORTS = { proxy: 7775, management: 7778, metrics: 9464 } as const

const port = z.coerce.number().int().min(0).max(65_535)
const flag = z.enum(['true', 'false', '1', '0', '']).transform(text => text === 'true' || text === '1')
const listeners = z
  .string()
  .transform(text =>
    text
      .split(',')
      .map(name => name.trim())
      .filter(name => name !== ''),
  )
  .pipe(z.array(z.enum(['proxy', 'management'])).min(1))

const Environment = z.object({
  SMARTFLOW_PROXY_PORT: port.default(DEFAULT_PORTS.proxy),
  SMARTFLOW_MANAGEMENT_PORT: port.default(DEFAULT_PORTS.management),
  SMARTFLOW_METRICS_PORT: port.default(DEFAULT_PORTS.metrics),
  SMARTFLOW_HOST: z.string().default('127.0.0.1'),
  SMARTFLOW_METRICS_HOST: z.string().optional(),
  SMARTFLOW_LISTENERS: listeners.default(['proxy', 'management']),
  SMARTFLOW_SINGLE_PORT: flag.default(false),
  SMARTFLOW_CONFIG_DIR: z.string().optional(),
  SMARTFLOW_KEYS_DIR: z.string().optional(),
  SMARTFLOW_STATE_DIR: z.string().default('.smartflow'),
  SMARTFLOW_GATEWAY: z
    .string()
    .regex(/^[a-z0-9-]{1,63}$/)
    .default('smartflow'),
  SMARTFLOW_TENANT: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'write the name of one AITenant')
    .optional(),
  SMARTFLOW_POD_UID: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/, "write the pod's metadata.uid")
    .optional(),
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\//, 'begin with redis:// or rediss://')
    .default('redis://127.0.0.1:6379'),
  SMARTFLOW_CACHE_REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\//, 'begin with redis:// or rediss://')
    .optional(),
  SMARTFLOW_HOLD_LEASE_MS: z.coerce.number().int().min(1_000).max(600_000).default(10_000),
  SMARTFLOW_PATIENCE_MS: z.coerce.number().int().min(500).max(600_000).default(30_000),
  SMARTFLOW_DRAIN_MS: z.coerce.number().int().min(0).max(600_000).default(25_000),
  SMARTFLOW_LAME_DUCK_MS: z.coerce.number().int().min(0).max(120_000).default(0),
  SMARTFLOW_MEMORY_CACHE_BYTES: z.coerce
    .number()
    .int()
    .min(0)
    .default(64 * 1024 * 1024),
})

const Whole = Environment.refine(
  values => values.SMARTFLOW_TENANT === undefined || values.SMARTFLOW_CONFIG_DIR === undefined,
  {
    path: ['SMARTFLOW_TENANT'],
    message: 'a process that serves one tenant only follows; unset this or SMARTFLOW_CONFIG_DIR',
  },
)

/** Settings of one process. Times are milliseconds. */
export interface Settings {
  readonly host: string
  /** For probes and scrapes, where callers come from this machine alone. */
  readonly metricsHost: string
  readonly ports: { readonly proxy: number; readonly management: number; readonly metrics: number }
  readonly listeners: readonly ('proxy' | 'management')[]
  readonly singlePort: boolean
  /** A folder of resources: this process then plays the operator too (standalone). */
  readonly configDir: string | undefined
  /** Generated tokens, the last good configuration, and the keys unless `keysDir` says where those are mounted. */
  readonly stateDir: string
  readonly keysDir: string | undefined
  readonly gateway: string
  /** Serve this tenant alone (a sidecar): read, count and record nothing outside its keys of the store. */
  readonly tenant: string | undefined
  /** The pod that this process is: names it in its acknowledgement. */
  readonly podUid: string | undefined
  readonly redisUrl: string
  readonly cacheRedisUrl: string
  readonly holdLeaseMs: number
  readonly patienceMs: number
  readonly drainMs: number
  /** How long new connections are still served after the process was asked to stop: load balancers learn of it late. */
  readonly lameDuckMs: number
  readonly memoryCacheBytes: number
}

/** Reads the variables. Throws an Error that lists every wrong one. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const parsed = Whole.safeParse(environment)
  if (!parsed.success) {
    const wrong = parsed.error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`)
    throw new Error(`these environment variables are not usable:\n${wrong.join('\n')}`)
  }
  const values = parsed.data
  return {
    host: values.SMARTFLOW_HOST,
    metricsHost: values.SMARTFLOW_METRICS_HOST ?? values.SMARTFLOW_HOST,
    ports: {
      proxy: values.SMARTFLOW_PROXY_PORT,
      management: values.SMARTFLOW_MANAGEMENT_PORT,
      metrics: values.SMARTFLOW_METRICS_PORT,
    },
    listeners: values.SMARTFLOW_LISTENERS,
    singlePort: values.SMARTFLOW_SINGLE_PORT,
    configDir: values.SMARTFLOW_CONFIG_DIR,
    keysDir: values.SMARTFLOW_KEYS_DIR,
    stateDir: values.SMARTFLOW_STATE_DIR,
    gateway: values.SMARTFLOW_GATEWAY,
    tenant: values.SMARTFLOW_TENANT,
    podUid: values.SMARTFLOW_POD_UID,
    redisUrl: values.REDIS_URL,
    cacheRedisUrl: values.SMARTFLOW_CACHE_REDIS_URL ?? values.REDIS_URL,
    holdLeaseMs: values.SMARTFLOW_HOLD_LEASE_MS,
    patienceMs: values.SMARTFLOW_PATIENCE_MS,
    drainMs: values.SMARTFLOW_DRAIN_MS,
    lameDuckMs: values.SMARTFLOW_LAME_DUCK_MS,
    memoryCacheBytes: values.SMARTFLOW_MEMORY_CACHE_BYTES,
  }
}
