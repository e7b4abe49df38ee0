// How bad it is what was found: one figure for records and refusals.

/** How likely it is that one such thing does harm outside. */
const WEIGHTS: Readonly<Record<string, number>> = {
  card: 0.8,
  ssn: 0.8,
  secret: 0.8,
  iban: 0.6,
  email: 0.3,
  phone: 0.3,
}
const OTHER = 0.5
/** Of one entity, more than this add nothing. */
const MAX_COUNTED = 3

/** 0 (nothing) to 1: the chance that at least one of the things found does harm, to two digits. */
export function riskOf(found: Iterable<{ readonly entity: string; readonly count: number }>): number {
  let harmless = 1
  for (const { entity, count } of found) harmless *= (1 - (WEIGHTS[entity] ?? OTHER)) ** Math.min(count, MAX_COUNTED)
  return Math.round((1 - harmless) * 100) / 100
}
