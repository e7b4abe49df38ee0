// Finds the name somebody probably meant, for error messages.

const MOST_EDITS = 2

/** The known name that is nearest to the one written, if it is near enough to be a slip of the pen. */
export function closest(written: string, known: readonly string[]): string | undefined {
  const folded = written.toLowerCase()
  const ranked = known
    .map(name => ({ name, edits: editDistance(folded, name.toLowerCase()) }))
    .filter(({ name, edits }) => edits <= MOST_EDITS && edits < name.length)
    .sort((a, b) => a.edits - b.edits)
  return ranked[0]?.name
}

/** Levenshtein's distance by rows; names are short. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [i, letter] of a.split('').entries()) {
    const next = [i + 1]
    for (const [j, other] of b.split('').entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
