// The guardrails that look at one direction of a call, and what each does there.
import type { Admitted, EffectivePolicy, Guard, Rights } from '../../exchange/stage.ts'
import type { Gateway } from '../../ports/gateway.ts'
import type { Inspector } from '../../ports/guardrails.ts'

/** A guardrail at work. */
export interface ActiveGuard {
  readonly policy: string
  readonly name: string
  /** What is done about a finding; see `watchOf` for where that is more than the policy says. */
  readonly action: 'Block' | 'Redact' | 'AllowAndLog'
  /** Only records. */
  readonly shadow: boolean
  readonly onError: 'Block' | 'Allow'
  readonly inspector: Inspector
}

/** Who looks at a direction. */
export interface Watch {
  readonly direction: 'request' | 'reply'
  readonly guards: readonly ActiveGuard[]
  /** The same for texts that a provider signed. */
  readonly signed: readonly ActiveGuard[]
}

/** The format whose providers sign parts of a conversation and refuse it when those come back changed. */
const SIGNING_FORMAT = 'anthropic-messages'

/**
 * Undefined when no guardrail looks there. Where a call may reach a provider in the signing format unchanged, Redact
 * becomes Block unless the policy allows to rewrite; of signed texts (thoughts) always, since a signature cannot be mended.
 */
export function watchOf(
  gateway: Pick<Gateway, 'guardrails'>,
  { rights, call }: Pick<Admitted, 'rights' | 'call'>,
  direction: Watch['direction'],
): Watch | undefined {
  const known = remembered.get(rights)?.get(`${direction} ${call.dialect.name}`)
  if (known !== undefined && known.guardrails === gateway.guardrails) return known.watch
  const watch = newWatch(gateway, { rights, call }, direction)
  const watches = remembered.get(rights) ?? new Map<string, Remembered>()
  remembered.set(rights, watches)
  watches.set(`${direction} ${call.dialect.name}`, { guardrails: gateway.guardrails, watch })
  return watch
}

interface Remembered {
  readonly guardrails: Gateway['guardrails']
  readonly watch: Watch | undefined
}

/** By rights (the same object for all calls of a key and model), then by direction and dialect, of which there are few. */
const remembered = new WeakMap<Rights, Map<string, Remembered>>()

function newWatch(
  gateway: Pick<Gateway, 'guardrails'>,
  { rights, call }: Pick<Admitted, 'rights' | 'call'>,
  direction: Watch['direction'],
): Watch | undefined {
  const guards = looking(rights.policy, direction).map(guard => activeGuard(gateway, guard))
  if (guards.length === 0) return undefined
  const format = call.dialect.name
  const native = format === SIGNING_FORMAT && rights.targets.some(({ formats }) => formats.includes(format))
  if (!native) return { direction, guards, signed: guards }
  const strict = strictly(guards)
  return { direction, guards: rights.policy.allowRewriteNative ? guards : strict, signed: strict }
}

/** The same guards where nothing can be replaced: Redact is Block there. */
export function strictly(guards: readonly ActiveGuard[]): readonly ActiveGuard[] {
  return guards.map(guard => (guard.action === 'Redact' ? { ...guard, action: 'Block' } : guard))
}

function looking({ guards }: EffectivePolicy, direction: Watch['direction']): readonly Guard[] {
  const other = direction === 'request' ? 'Response' : 'Request'
  return guards.filter(({ item }) => item.direction !== other && item.mode !== 'Disabled')
}

function activeGuard({ guardrails }: Pick<Gateway, 'guardrails'>, { policy, item }: Guard): ActiveGuard {
  const { name, action, mode, onError } = item
  return { policy, name, action, shadow: mode === 'Shadow', onError, inspector: guardrails.inspector(item) }
}
