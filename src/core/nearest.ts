// Finds the known word nearest to a misspelt one, by edit distance.

/** The Levenshtein distance. */
function editsBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [at, letter] of [...one].entries()) {
    const next = [at + 1]
    for (let index = 0; index < other.length; index++) {
      const changed = row[index]! + (other[index] === letter ? 0 : 1)
      next.push(Math.min(changed, row[index + 1]! + 1, next[index]! + 1))
    }
    row = next
  }
  return row.at(-1)!
}

/** The nearest known word that is within `most` edits. */
export function nearest(
  word: string,
  known: readonly string[],
  most: (known: string) => number,
): string | undefined {
  const [found] = known
    .map((candidate) => ({ candidate, edits: editsBetween(word, candidate) }))
    .filter(({ candidate, edits }) => edits <= most(candidate))
    .sort((a, b) => a.edits - b.edits)
  return found?.candidate
}
