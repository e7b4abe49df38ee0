// The environment as typed settings. Read once, in main.ts; a wrong value stops the start with what to write instead.
import { z } from 'zod'

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

const Environment = z.object({
  SMARTFLOW_NAMESPACE: z.string().regex(LABEL, 'must be the name of the namespace that the operator runs in'),
  SMARTFLOW_GATEWAY: z.string().regex(LABEL, 'must be 1 to 63 lower-case letters, digits or "-"').default('smartflow'),
  POD_NAME: z.string().min(1).max(253).optional(),
  SMARTFLOW_METRICS_PORT: z.coerce.number().int().min(0).max(65_535).default(9464),
  SMARTFLOW_HOST: z.string().default('127.0.0.1'),
  SMARTFLOW_WORKERS: z.coerce.number().int().min(1).max(64).default(16),
  SMARTFLOW_LEADER_ELECTION: z.enum(['true', 'false']).default('true'),
  SMARTFLOW_SERVICE_MONITOR: z.enum(['true', 'false']).default('true'),
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\//, 'begin with redis:// or rediss://')
    .optional(),
})

/** Settings of one operator process. */
export interface Settings {
  /** Where the operator, its gateway's pods and what it makes for tenants live; only AIGateways of it are served. */
  readonly namespace: string
  /** The gateway's name in the store; its pods have the same. */
  readonly gateway: string
  /** Names this process in the Lease, with a random part; undefined outside a cluster. */
  readonly podName: string | undefined
  readonly host: string
  readonly metricsPort: number
  /** Objects that are reconciled at once. */
  readonly workers: number
  readonly leaderElection: boolean
  /** A ServiceMonitor is made where the cluster knows them; off when the chart makes one. */
  readonly serviceMonitor: boolean
  /** For gateways whose AIGateway names no Secret with an address. */
  readonly redisUrl: string | undefined
}

/** Reads the variables. Throws an Error that lists every wrong one. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const parsed = Environment.safeParse(environment)
  if (!parsed.success) {
    const wrong = parsed.error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`)
    throw new Error(`these environment variables are not usable:\n${wrong.join('\n')}`)
  }
  const values = parsed.data
  return {
    namespace: values.SMARTFLOW_NAMESPACE,
    gateway: values.SMARTFLOW_GATEWAY,
    podName: values.POD_NAME,
    host: values.SMARTFLOW_HOST,
    metricsPort: values.SMARTFLOW_METRICS_PORT,
    workers: values.SMARTFLOW_WORKERS,
    leaderElection: values.SMARTFLOW_LEADER_ELECTION === 'true',
    serviceMonitor: values.SMARTFLOW_SERVICE_MONITOR === 'true',
    redisUrl: values.REDIS_URL,
  }
}
