// Counting tokens where the provider does not: estimates for holds, and the truth about a stream that was cut short.

export interface Tokens {
  /** Tokens of a text in the o200k encoding. Long runs without breaks are cut first, so cost stays linear. */
  count(text: string): number
}
