// The one AIGateway and what it sets for everybody. Without one, the schema's defaults hold.
import { API_VERSION, DEFAULT_NAMESPACE, parseDuration } from '../resources/metadata.ts'
import { AIGateway } from '../resources/ai-gateway.ts'
import type { GatewaySettings } from '../snapshot/items.ts'
import { winnersOf } from './conflicts.ts'
import { Memo } from './memo.ts'
import type { StatusBook } from './status.ts'
import type { World } from './world.ts'

/** The name of a gateway that nobody declared. */
const UNDECLARED = 'default'

const undeclared = AIGateway.parse({ apiVersion: API_VERSION, kind: 'AIGateway', metadata: { name: UNDECLARED } })
const settings = new Memo<AIGateway, GatewaySettings>()

/** What the AIGateway says. `adminNamespace` alone may hold ProxyAdmin keys; undefined: none may. */
export interface GatewayChoice {
  readonly settings: GatewaySettings
  readonly adminNamespace: string | undefined
  /** Undefined: nobody declared one. */
  readonly declared: AIGateway | undefined
  readonly spec: AIGateway['spec']
}

/** Chooses the oldest AIGateway of the gateway's own namespace and reads its settings. */
export function chooseGateway(world: World, book: StatusBook): GatewayChoice {
  const gateways = world.resources.filter(resource => resource.kind === 'AIGateway')
  const home = world.gatewayNamespace
  for (const gateway of gateways) {
    if (home === undefined || gateway.metadata.namespace === home) continue
    const message = `this gateway reads the AIGateway of namespace ${home} only; create it there`
    book.reject(gateway, 'NamespaceNotAllowed', message)
  }
  const claim = { keyOf: () => '', what: () => 'a gateway has one AIGateway, and it' }
  const declared = winnersOf(gateways, claim, book)[0]
  const chosen = declared ?? undeclared
  const fallback = home ?? (world.standalone ? DEFAULT_NAMESPACE : undefined)
  return {
    settings: settings.get(chosen, [], () => settingsOf(chosen)),
    adminNamespace: declared?.metadata.namespace ?? fallback,
    declared,
    spec: chosen.spec,
  }
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
