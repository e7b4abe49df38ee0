// Data URLs (RFC 2397): how one format puts media into a text, and the other takes it apart.

/** What a data URL holds. */
export interface Media {
  readonly mediaType: string
  /** Base64. */
  readonly data: string
}

const HEAD = /^data:([^;,]*)((?:;[^;,]*)*),/i

/** Takes a data URL apart; undefined for any other URL. */
export function readDataUrl(url: string): Media | undefined {
  // Not over the whole URL: it may be megabytes long.
  const head = HEAD.exec(url.slice(0, 512))
  if (!head) return undefined
  const [all, mediaType = '', parameters = ''] = head
  const rest = url.slice(all.length)
  const base64 = parameters.toLowerCase().endsWith(';base64')
  return {
    mediaType: (mediaType || 'text/plain').toLowerCase().replace(/^image\/jpg$/, 'image/jpeg'),
    data: base64 ? rest : Buffer.from(percentDecoded(rest)).toString('base64'),
  }
}

/** Puts one together. */
export function dataUrl({ mediaType, data }: Media): string {
  return `data:${mediaType};base64,${data}`
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a bare % is meant as it stands
  }
}
