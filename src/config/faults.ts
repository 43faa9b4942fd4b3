// Faults of the environment in words. They name the variable and never repeat its value, because it may be a secret.
import type { z } from 'zod'
import { nearest } from '../core/nearest.ts'

/** Has a line per fault of the environment. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

export type Variables = Record<string, string | undefined>

/** Settings of other programs whose names are close to ours. */
const OTHERS = new Set(['SECRET_KEY', 'LOGLEVEL'])
/** The value that Kubernetes and Docker set for a service called `stores`. */
const LINK = /^(tcp|udp|sctp):\/\//

/** Few for a short name, because many words are close to PORT. */
const editsAllowed = ({ length }: string): number => {
  if (length > 7) return 2
  return length > 5 ? 1 : 0
}

/** Settings that are not ours but whose name is close to one of ours that is not set. */
export function misspeltFaults(given: Variables, names: readonly string[]): string[] {
  return Object.entries(given).flatMap(([name, value]) => {
    if (names.includes(name) || OTHERS.has(name) || LINK.test(String(value))) return []
    const meant = nearest(name.toUpperCase(), names, editsAllowed)
    if (meant === undefined || given[meant] !== undefined) return []
    return [`${name}: is no setting; is ${meant} meant? Correct or unset it`]
  })
}

const listed = (values: readonly unknown[]): string =>
  [values.slice(0, -1).join(', '), String(values.at(-1))].filter(Boolean).join(' or ')

/** Undefined leaves zod's own words. */
export const inWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is not set'
      if (issue.expected === 'number') return 'must be a number'
      if (issue.expected === 'int') return 'must be a whole number'
      if (issue.expected === 'boolean') return 'must be true or false'
      return `must be ${/^[aeiou]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected}`
    case 'too_small':
      return issue.origin === 'string' ? 'is empty' : `must be at least ${issue.minimum}`
    case 'too_big':
      return `must be at most ${issue.maximum}`
    case 'invalid_value':
      return issue.input === undefined ? 'is not set' : `must be ${listed(issue.values)}`
    case 'unrecognized_keys':
      return `has no field ${listed(issue.keys)}`
    default:
      return undefined
  }
}
