// What the AIGateway in force says about where things are: its Service, its store, how long a pod may be silent.
import type { AIGateway } from '@smartflow/core/resources/ai-gateway'
import { parseDuration } from '@smartflow/core/resources/metadata'
import type { SecretValues } from '@smartflow/core/resources/secret'
import { isRecord, type KubeObject } from '../api/resource-type.ts'
import { servicesOf } from '../desired/inputs.ts'
import type { Plan } from './loop.ts'

const DEFAULTS = { minProgrammedPercent: 100, ackTimeout: '30s' } as const

/** How many pods must have a configuration, and after how many milliseconds what a pod said counts no more. */
export function rolloutTermsOf(plan: Plan | undefined): {
  readonly minProgrammedPercent: number
  readonly ackTimeoutMs: number
} {
  const { minProgrammedPercent, ackTimeout } = {
    ...DEFAULTS,
    ...plan?.gateway?.spec.dataPlane,
  }
  return { minProgrammedPercent, ackTimeoutMs: parseDuration(ackTimeout) }
}

/** The Service whose endpoints are the gateway's pods. */
export function gatewayServiceOf(plan: Plan | undefined, gatewayId: string): string {
  const gateway = plan?.gateway
  return gateway === undefined ? `${gatewayId}-gateway` : servicesOf(gateway, gatewayId).gateway.name
}

/** What the address of a Redis begins with. */
const REDIS_URL = /^rediss?:\/\//

/** The store's address, a secret; undefined while the Secret that the AIGateway names is not there or holds no address. */
export function storeUrlOf(
  gateway: AIGateway | undefined,
  secrets: SecretValues,
  { namespace, redisUrl }: { readonly namespace: string; readonly redisUrl: string | undefined },
): string | undefined {
  const ref = gateway?.spec.configStore?.redis?.secretRef
  if (ref === undefined) return redisUrl
  const url = secrets.get(`${namespace}/${ref.name}`)?.[ref.key]?.trim()
  // Anything else would be taken for a server on this machine.
  return url !== undefined && REDIS_URL.test(url) ? url : undefined
}

/** What the AIGateway's status says was published earlier. */
export function rememberedOf(live: KubeObject | undefined): { epoch: number; generation: number } | undefined {
  const config = isRecord(live?.status) && isRecord(live.status['config']) ? live.status['config'] : {}
  const { epoch, generation } = config
  return typeof epoch === 'number' && typeof generation === 'number' ? { epoch, generation } : undefined
}
