// The session policy of temporary credentials, decided for one action on one resource. AssumeRole refuses conditions.
// Source: Alibaba Cloud RAM, "Policy structure and syntax".

interface Statement {
  effect: 'Allow' | 'Deny'
  actions: readonly string[]
  resources: readonly string[]
}

export type SessionPolicy = readonly Statement[]

/** Undefined for anything but a policy of version 1 with effects, actions and resources only. */
export function parseSessionPolicy(text: string): SessionPolicy | undefined {
  try {
    const { Version, Statement: statements, ...rest } = JSON.parse(text) as Record<string, unknown>
    if (Version !== '1' || !Array.isArray(statements) || Object.keys(rest).length) return undefined
    const parsed = statements.map(readStatement)
    return parsed.every((statement) => statement !== undefined) ? parsed : undefined
  } catch {
    return undefined
  }
}

function readStatement(value: Record<string, unknown>): Statement | undefined {
  const { Effect: effect, Action, Resource, ...rest } = value
  const actions = texts(Action)
  const resources = texts(Resource)
  if ((effect !== 'Allow' && effect !== 'Deny') || Object.keys(rest).length) return undefined
  return actions && resources && { effect, actions, resources }
}

function texts(value: unknown): string[] | undefined {
  const list: unknown[] = Array.isArray(value) ? value : [value]
  return list.length && list.every((one) => typeof one === 'string')
    ? (list as string[])
    : undefined
}

/** A Deny wins over every Allow, and what no statement allows is denied. */
export function allows(policy: SessionPolicy, action: string, resource: string): boolean {
  const matching = policy.filter(
    ({ actions, resources }) =>
      actions.some((pattern) => matches(pattern.toLowerCase(), action.toLowerCase())) &&
      resources.some((pattern) => matches(pattern, resource)),
  )
  return matching.length > 0 && matching.every(({ effect }) => effect === 'Allow')
}

/** `*` matches any text, `?` one character. Only the last star is tried again, so no pattern takes long. */
function matches(pattern: string, text: string): boolean {
  let at = 0
  let star = -1
  let resume = 0
  let position = 0
  while (position < text.length) {
    if (pattern[at] === '*') {
      star = at++
      resume = position
    } else if (pattern[at] === '?' || pattern[at] === text[position]) {
      at++
      position++
    } else if (star >= 0) {
      at = star + 1
      position = ++resume
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}
