// What NGINX Gateway Fabric needs beside the routes: it buffers replies, is silent for 60 s at most and takes bodies up
// to 1 MiB unless its own policies say otherwise.
import type { NewObject } from '../api/resource-type.ts'
import { HTTP_ROUTE } from './gateway-api.ts'
import { child, type Plan } from './plan.ts'

const VERSION = 'gateway.nginx.org/v1alpha1'
const PROXY_SETTINGS_POLICY = { apiVersion: VERSION, kind: 'ProxySettingsPolicy' } as const
const CLIENT_SETTINGS_POLICY = { apiVersion: VERSION, kind: 'ClientSettingsPolicy' } as const

/** One policy for the side of the gateway, and one a route for the side of the callers. */
export function nginxGatewayPolicies(plan: Plan, children: readonly NewObject[]): NewObject[] {
  const routes = children.filter(({ kind }) => kind === HTTP_ROUTE.kind).map(({ metadata }) => metadata.name)
  if (routes.length === 0) return []
  const [group] = HTTP_ROUTE.apiVersion.split('/')
  const refs = routes.map(name => ({ group, kind: HTTP_ROUTE.kind, name }))
  const patience = `${plan.silenceSeconds}s`
  const proxy = { targetRefs: refs, buffering: { disable: true }, timeout: { read: patience, send: patience } }
  return [
    child(plan, PROXY_SETTINGS_POLICY, proxy),
    ...refs.map(targetRef =>
      child(
        plan,
        CLIENT_SETTINGS_POLICY,
        { targetRef, body: { maxSize: `${plan.bodyMebibytes}m` } },
        { ending: targetRef.name.slice(plan.name.length) },
      ),
    ),
  ]
}
