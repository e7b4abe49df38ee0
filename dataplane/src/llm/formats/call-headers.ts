// What a call's headers say to the gateway, the same for every wire format.
import type { CacheControl, CallHeaders } from '../../exchange/call.ts'
import { wrong } from './request-members.ts'

const MAX_TAGS = 32

/** The members of a Call that its headers fill. */
export interface HeaderWishes {
  readonly cacheControl: CacheControl
  readonly tags: readonly string[]
  readonly userId: string | undefined
  readonly conversationId: string | undefined
}

/** Reads them. Throws a `request_invalid` Refusal for a ttl that is no whole number of seconds. */
export function readHeaders(headers: CallHeaders): HeaderWishes {
  return {
    cacheControl: readCacheControl(headers),
    tags: (header(headers, 'x-smartflow-tags') ?? '')
      .split(',')
      .map(tag => tag.trim())
      .filter(tag => tag !== '')
      .slice(0, MAX_TAGS),
    userId: header(headers, 'x-smartflow-user-id') ?? header(headers, 'x-user-id'),
    conversationId:
      header(headers, 'x-conversation-id') ??
      header(headers, 'x-session-id') ??
      header(headers, 'x-claude-code-session-id'),
  }
}

/** A header that was sent once and is not empty. */
export function header(headers: CallHeaders, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** `Cache-Control` and the `x-smartflow-cache*` headers (C03). */
function readCacheControl(headers: CallHeaders): CacheControl {
  const control = (header(headers, 'cache-control') ?? '').toLowerCase()
  const skip = (header(headers, 'x-smartflow-cache') ?? '').toLowerCase() === 'skip'
  const ttl = header(headers, 'x-smartflow-cache-ttl')
  if (ttl !== undefined && !/^\d{1,8}$/.test(ttl))
    throw wrong('x-smartflow-cache-ttl', 'send a whole number of seconds')
  return {
    read: !skip && !control.includes('no-cache') && !control.includes('no-store'),
    write: !skip && !control.includes('no-store') && ttl !== '0',
    ttl: ttl === undefined ? undefined : Number(ttl),
    namespace: (header(headers, 'x-smartflow-cache-namespace') ?? '').slice(0, 256),
  }
}
