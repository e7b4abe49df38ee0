// Questions about a plan that several reconcilers ask.
import type { AIGateway } from '@smartflow/core/resources/ai-gateway'
import type { Plan } from './loop.ts'

/** True when compiling accepted the object. */
export function isAccepted(plan: Plan, id: string): boolean {
  const conditions = plan.statuses.get(id)?.conditions ?? []
  return conditions.some(({ type, status }) => type === 'Accepted' && status === 'True')
}

/** The AIGateway in force: the one accepted; undefined when there is none. */
export function acceptedGateway(plan: Plan): AIGateway | undefined {
  for (const [id, resource] of plan.resources) {
    if (resource.kind === 'AIGateway' && isAccepted(plan, id)) return resource
  }
  return undefined
}
