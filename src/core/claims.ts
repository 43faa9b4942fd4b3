// Conditions on the claims of a user JWT. Every named claim must match one of its patterns.

/** Patterns by claim name. `*` matches any run of characters, including none; every other character matches itself. */
export type ClaimConditions = Readonly<Record<string, readonly string[]>>

/**
 * Compares the whole value, case-sensitively, in linear time: each literal between two stars takes its first match after the
 * previous one, because that leaves the most room for the rest.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  const [first = '', ...others] = pattern.split('*')
  const last = others.pop()
  if (last === undefined) return text === first
  const end = text.length - last.length
  if (!text.startsWith(first) || !text.endsWith(last)) return false
  let at = first.length
  for (const literal of others) {
    const found = text.indexOf(literal, at)
    if (found < 0) return false
    at = found + literal.length
  }
  return at <= end
}

/** The text to compare with patterns. Objects, null and integers that JavaScript has rounded have none. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return JSON.stringify(value)
  const isExact = Number.isSafeInteger(value) || !Number.isInteger(value)
  return typeof value === 'number' && isExact ? JSON.stringify(value) : undefined
}

function matchesOne(patterns: readonly string[], value: unknown): boolean {
  const text = textOf(value)
  return text !== undefined && patterns.some((pattern) => matchesPattern(pattern, text))
}

/** A list matches if one of its entries does. A claim that is absent never matches. */
export const meetsConditions = (
  conditions: ClaimConditions,
  claims: Readonly<Record<string, unknown>>,
): boolean =>
  Object.entries(conditions).every(([name, patterns]) => {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined
    const values: unknown[] = Array.isArray(value) ? value : [value]
    return values.some((entry) => matchesOne(patterns, entry))
  })
