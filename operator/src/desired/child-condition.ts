// A condition that comes from a tenant's children, before it has a time.

/** `message` says what is wrong and what to do; who writes the status adds `lastTransitionTime`. */
export interface ChildCondition {
  readonly type: 'CertificateReady' | 'RouteReady' | 'DeprecatedController'
  readonly status: 'True' | 'False'
  /** CamelCase, as Kubernetes has it. */
  readonly reason: string
  readonly message: string
}
