// A second witness for what a list lacks: the API server is asked for each object by its name. A server in trouble gives
// lists that lack what is there, and from one of those nothing may be taken for deleted.
import type { CallOptions, KubeClient } from '../api/client.ts'
import type { KubeObject, ObjectKey } from '../api/resource-type.ts'

/** Objects asked for at a time. */
const AT_ONCE = 10

/** An object that was missed. */
export interface Missed {
  readonly key: ObjectKey
  /** Set: only this one is meant, no later one of its name. */
  readonly uid?: string
}

/**
 * One of these objects that is there after all; undefined: none is. Rejects when the API server cannot be asked about all
 * of them.
 */
export async function foundAfterAll(
  client: Pick<KubeClient, 'get'>,
  missed: readonly Missed[],
  options: CallOptions = {},
): Promise<ObjectKey | undefined> {
  for (let at = 0; at < missed.length; at += AT_ONCE) {
    const some = missed.slice(at, at + AT_ONCE)
    const objects = await Promise.all(some.map(({ key }) => client.get(key, options)))
    const found = some.find((one, index) => isMeant(one, objects[index]))
    if (found !== undefined) return found.key
  }
  return undefined
}

function isMeant({ uid }: Missed, object: KubeObject | undefined): boolean {
  return object !== undefined && (uid === undefined || object.metadata.uid === uid)
}
