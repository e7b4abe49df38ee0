// Ids of replies, carried from one format to another: the same provider id always gives the same id.

const PREFIXES = /^(?:chatcmpl-|msg_)/

/** The id in a format whose ids begin with `prefix`. */
export function idIn(prefix: 'chatcmpl-' | 'msg_', id: string): string {
  return prefix + (id === '' ? 'unnamed' : id.replace(PREFIXES, ''))
}
