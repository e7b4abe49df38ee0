// Finds the route of a request on the raw path: default deny, no normalising beyond one trailing slash.
import type { ListenerName, Route } from '../exchange/route.ts'
import { Refusal } from '../exchange/refusal.ts'

/** A route and the values of its path parameters. */
export interface Match {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

const NO_PARAMS = {}

/** The routes of a path by their methods. */
type Methods = Map<string, Route>

/** What a path leads to. */
interface Place {
  readonly methods: Methods
  readonly params: Match['params']
}

/** The routes of one listener. */
export class Router {
  readonly #exact = new Map<string, Place>()
  readonly #patterns = new Map<string, { readonly segments: readonly string[]; readonly methods: Methods }>()

  constructor(routes: readonly Route[], listeners: ReadonlySet<ListenerName>) {
    for (const route of routes) {
      if (route.listeners.some(listener => listeners.has(listener)))
        this.#methodsOf(route.path).set(route.method, route)
    }
  }

  /** Throws `route_not_found` or `method_not_allowed`. HEAD finds the GET route. */
  find(method: string, path: string): Match {
    const wanted = method === 'HEAD' ? 'GET' : method
    const plain = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
    const place = this.#exact.get(plain) ?? this.#byPattern(plain)
    if (!place) throw new Refusal('route_not_found', `There is nothing at ${method} ${shown(path)} on this port.`)
    const route = place.methods.get(wanted)
    if (!route) throw notAllowed(method, path, place)
    return { route, params: place.params }
  }

  #methodsOf(path: string): Methods {
    const known = this.#exact.get(path) ?? this.#patterns.get(path)
    if (known) return known.methods
    const methods: Methods = new Map()
    if (path.includes('/:')) this.#patterns.set(path, { segments: path.split('/'), methods })
    else this.#exact.set(path, { methods, params: NO_PARAMS })
    return methods
  }

  #byPattern(path: string): Place | undefined {
    const parts = path.split('/')
    for (const { segments, methods } of this.#patterns.values()) {
      const params = bind(segments, parts)
      if (params) return { methods, params }
    }
    return undefined
  }
}

function notAllowed(method: string, path: string, { methods }: Place): Refusal {
  const allow = [...methods.keys()].flatMap(each => (each === 'GET' ? ['GET', 'HEAD'] : [each]))
  return new Refusal('method_not_allowed', `${method} is not allowed on ${shown(path)}; use ${allow.join(' or ')}.`, {
    allow,
  })
}

/** The last parameter takes the rest of the path: model names hold slashes. */
function bind(segments: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
  if (parts.length < segments.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1
    const part = last ? parts.slice(index).join('/') : parts[index]
    if (!segment.startsWith(':')) {
      if (segment !== part) return undefined
    } else if (part) params[segment.slice(1)] = decode(part)
    else return undefined
  }
  return params
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new Refusal('route_not_found', 'The path holds a "%" that begins no valid escape.')
  }
}

function shown(path: string): string {
  return path.slice(0, 200)
}
