// The one AIGateway and what it sets for everybody. Without one, the schema's defaults hold.
import { API_VERSION, DEFAULT_NAMESPACE, parseDuration } from '../resources/metadata.ts'
import { AIGateway } from '../resources/ai-gateway.ts'
import type { GatewaySettings } from '../snapshot/items.ts'
import { winnersOf } from './conflicts.ts'
import type { StatusBook } from './status.ts'
import type { World } from './world.ts'

/** The name of a gateway that nobody declared. */
const UNDECLARED = 'default'

/** What the AIGateway says. `adminNamespace` alone may hold ProxyAdmin keys; undefined: none may. */
export interface GatewayChoice {
  readonly settings: GatewaySettings
  readonly adminNamespace: string | undefined
}

/** Chooses the oldest AIGateway and reads its settings. */
export function chooseGateway(world: World, book: StatusBook): GatewayChoice {
  const gateways = world.resources.filter(resource => resource.kind === 'AIGateway')
  const claim = { keyOf: () => '', what: () => 'a gateway has one AIGateway, and it' }
  const chosen = winnersOf(gateways, claim, book)[0]
  if (chosen !== undefined) return { settings: settingsOf(chosen), adminNamespace: chosen.metadata.namespace }
  const undeclared = AIGateway.parse({ apiVersion: API_VERSION, kind: 'AIGateway', metadata: { name: UNDECLARED } })
  return { settings: settingsOf(undeclared), adminNamespace: world.standalone ? DEFAULT_NAMESPACE : undefined }
}

function settingsOf(gateway: AIGateway): GatewaySettings {
  const { defaults, storeLoss } = gateway.spec
  return {
    name: gateway.metadata.name,
    requestTimeout: parseDuration(defaults.requestTimeout),
    streamIdleTimeout: parseDuration(defaults.streamIdleTimeout),
    maxBodyBytes: defaults.maxBodyBytes,
    storeLoss,
  }
}
