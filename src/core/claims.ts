// Conditions on the claims of a user JWT: every named claim must match one of its patterns.

/** Patterns by the name of the claim. In a pattern `*` stands for any run of characters, also none; nothing else is special. */
export type ClaimConditions = Readonly<Record<string, readonly string[]>>

/**
 * The whole value, case-sensitive. Linear: each literal between two stars is looked for once, behind the one before it, since
 * its first place leaves most room for those that follow.
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

/** What patterns are compared with: none for an object, null, or an integer that JavaScript has rounded. */
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
