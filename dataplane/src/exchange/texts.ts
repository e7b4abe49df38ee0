// What people and models wrote, inside JSON bodies and stream events: the texts that policies read and may replace.
// A protocol says where its texts stand; nobody else needs to know the protocol.

/** A place in a JSON document: [start, end) in UTF-16 units. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A text of a JSON document. */
export interface TextSlot {
  /** As its reader understands it: escapes undone. A number's digits. */
  readonly text: string
  /** Where its JSON value stands, quotes included. */
  readonly span: Span
  /** `json`: a string that holds JSON itself (tool arguments): it must be JSON after a change too. */
  readonly form: 'string' | 'number' | 'json'
  /** A value that says the same again in another form (log probabilities): null once the text is changed. */
  readonly echo: Span | undefined
  /** A provider signed it: changed, it is refused when it comes back there. */
  readonly signed: boolean
}

/** A text of a stream event. Those of one channel, event after event, are one running text. */
export interface StreamText extends TextSlot {
  readonly channel: string
}

/** What an event says to readers: `data` is its JSON document. */
export interface EventTexts {
  readonly data: string
  readonly texts: readonly StreamText[]
  /** Channels to which nothing is added after this event: `a` means itself and every `a/…`. */
  readonly closes: readonly string[] | 'all'
}
