// The vocabulary of the pipeline: what an exchange carries after each stage, and the shape of a stage.
// Order is typed: `admit` needs an Identified exchange, so swapping two stages does not compile.
import type { GuardrailItem, KeyItem, PolicyItem } from '@smartflow/core/snapshot/items'
import type { Snapshot, TenantView } from '@smartflow/core/snapshot/view'
import type { Call } from './call.ts'
import type { Trace } from './facts.ts'
import type { Scope } from './limits.ts'
import type { Reply } from './reply.ts'
import type { RouteBounds, Target } from './target.ts'
import type { Price } from './usage.ts'

/** A virtual key that exists and matched, and its tenant. Whether it may do anything is for `identify` to say. */
export interface Presented {
  readonly tenant: TenantView
  readonly key: KeyItem
  /** When the presented token stops working, in epoch milliseconds; undefined for a key's present token. */
  readonly tokenExpiresAt?: number | undefined
}

/** A call at the door. The snapshot is taken once and kept to the end; its version is in the audit record. */
export interface Received {
  readonly id: string
  readonly call: Call
  /** The key that was presented, found and proven at the door, before the body was read. */
  readonly presented: Presented
  readonly snapshot: Snapshot
  readonly trace: Trace
  /** Aborted when the caller went away or the gateway gave up on the call. */
  readonly signal: AbortSignal
  /** Epoch milliseconds. */
  readonly receivedAt: number
  /** `performance.now()` at the door, for durations. */
  readonly startedAt: number
}

/** After `identify`: who calls, and what their policies set. */
export interface Identified extends Received {
  readonly rights: Rights
}

/** What the caller may do with the model. */
export interface Rights {
  /** The policies of this caller and model, merged. */
  readonly policy: EffectivePolicy
  /** Where the call may go, in the order in which targets are tried; at least one. */
  readonly targets: readonly Target[]
  readonly bounds: RouteBounds
  /** What each target costs; undefined when that is unknown. */
  readonly prices: ReadonlyMap<Target, Price | undefined>
  /** What is limited: key, team, tenant. */
  readonly scopes: readonly Scope[]
}

/** The early look into the exact cache, asked for in admission's flush. */
export interface Lookup {
  readonly key: string
  /** What was looked for: when a policy changed the call since, it is to be looked for again. */
  readonly call: Call
  /** The memory tier's sealed-free entry, when it had one. */
  readonly memory: Buffer | undefined
  /** The shared tier's sealed entry; not asked when memory had it. */
  readonly redis: Promise<Buffer | undefined> | undefined
}

/** After `admit`: held, and the cache's early answer on its way. */
export interface Admitted extends Identified {
  /** Undefined when no policy switches the cache on for this call. */
  readonly lookup: Lookup | undefined
}

/** After `route`: one target chosen. */
export interface Routed extends Admitted {
  readonly target: Target
  /** Replaces the provider's time limit for this attempt, milliseconds. */
  readonly timeoutMs: number | undefined
}

/** A guardrail in force, and the policy that brought it. */
export interface Guard {
  readonly policy: string
  readonly item: GuardrailItem
}

/** What the matching policies say together. */
export interface EffectivePolicy {
  /** Names of the policies that concern the call, the highest priority first. */
  readonly names: readonly string[]
  readonly cache: NonNullable<PolicyItem['cache']> | undefined
  readonly audit: NonNullable<PolicyItem['audit']>
  /** Those of all matching policies; of several with one name the highest priority wins. None that is Disabled. */
  readonly guards: readonly Guard[]
  /** Every guard's policy allows it. */
  readonly allowRewriteNative: boolean
  /** The least of the matching policies, characters. */
  readonly holdBack: number
}

/** Answers an exchange. */
export type Handler<In> = (exchange: In) => Promise<Reply>

/** Wraps the rest of the pipeline: the request leg before `next`, the reply leg on what it gives. */
export type Stage<In, Out extends In> = (next: Handler<Out>) => Handler<In>
