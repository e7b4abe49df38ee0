// One cheap look at a text, before the detectors read it: which of them could find anything there. Most texts hold nothing
// that looks like personal data, and most of the detectors' time would go into texts of that kind. Searches of the
// engine's own, since a loop over the characters costs as much as the detectors.

/** Seven digits with at most two characters between them: fewer are no card, social security or telephone number. */
const NUMBER = /\d(?:[ \-./()]{0,2}\d){6}/
const IBAN = /(?<=[A-Za-z]{2})\d\d/
const DIGIT = /\d/

/** What a text could hold. Only a false says something: there is none. */
export interface Glance {
  /** Digits enough for a card, a social security or a telephone number. */
  readonly number: boolean
  readonly iban: boolean
  readonly email: boolean
  /** A value that a name could make a secret: none is without a digit. */
  readonly value: boolean
  readonly keyBlock: boolean
}

/** Looks at the text of a view. */
export function glanceAt(text: string): Glance {
  const value = DIGIT.test(text)
  return {
    number: value && NUMBER.test(text),
    iban: value && IBAN.test(text),
    email: text.includes('@'),
    value,
    keyBlock: text.includes('-----BEGIN '),
  }
}
