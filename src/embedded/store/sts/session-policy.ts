// The session policy of temporary credentials: what they allow, decided for one action on one resource.
// Source: Alibaba Cloud RAM, "Policy structure and syntax". Conditions are not offered, and refused when it is made.

interface Statement {
  effect: 'Allow' | 'Deny'
  actions: readonly string[]
  resources: readonly string[]
}

export type SessionPolicy = readonly Statement[]

/** Undefined for anything that is not a policy of version 1 with nothing but effects, actions and resources. */
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

/** Deny wins; what no statement allows is denied. */
export function allows(policy: SessionPolicy, action: string, resource: string): boolean {
  const meant = policy.filter(
    ({ actions, resources }) =>
      actions.some((pattern) => fits(pattern.toLowerCase(), action.toLowerCase())) &&
      resources.some((pattern) => fits(pattern, resource)),
  )
  return meant.length > 0 && meant.every(({ effect }) => effect === 'Allow')
}

/** `*` stands for any text, `?` for one character. Linear but for going back to the last star. */
function fits(pattern: string, text: string): boolean {
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
