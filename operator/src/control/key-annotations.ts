// What the operator and people write on VirtualKeys beside their spec.

/** Keeps a deleted key's object until no pod serves the key any more. */
export const REVOKE_FINALIZER = 'smartflow.dev/revoke'
/** Breaks the glass: the object goes although a pod may still serve its key. */
export const FORCE_REVOKE = { annotation: 'smartflow.dev/force-revoke', value: 'true' } as const
