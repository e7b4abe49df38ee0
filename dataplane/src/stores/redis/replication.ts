// What a server says about its replication: which history of writes it has, how far it is, and how far its replicas are.

/** As `INFO replication` has it. Offsets are bytes of the history named `id`, which no other server goes on under. */
export interface Replication {
  readonly id: string
  readonly primary: boolean
  readonly offset: number
  /** Replicas that follow; not those that are still being filled. */
  readonly replicas: number
  /** The furthest that one of them acknowledged; 0 without one. */
  readonly acknowledged: number
}

/** Reads the text of `INFO replication`; undefined when it does not name a history. */
export function readReplication(text: string): Replication | undefined {
  const fields = new Map<string, string>()
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  const [id, offset] = [fields.get('master_replid'), Number(fields.get('master_repl_offset'))]
  if (id === undefined || !Number.isSafeInteger(offset)) return undefined
  const acknowledged = [...fields].flatMap(([name, value]) => (/^slave\d+$/.test(name) ? acknowledgedBy(value) : []))
  return {
    id,
    primary: fields.get('role') === 'master',
    offset,
    replicas: acknowledged.length,
    acknowledged: Math.max(0, ...acknowledged),
  }
}

/** Of a line like `ip=10.0.0.7,port=6379,state=online,offset=4711,lag=0`. */
function acknowledgedBy(replica: string): number[] {
  if (!/(^|,)state=online(,|$)/.test(replica)) return []
  const offset = /(?:^|,)offset=(\d+)/.exec(replica)?.[1]
  return offset === undefined ? [] : [Number(offset)]
}
