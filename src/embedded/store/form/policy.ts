// The policy of a form: its conditions, and whether the fields and the file meet them. Pure.
// Source: Alibaba Cloud OSS, "PostObject", "Appendix: Policy".
import { denied, refusal } from '../refusal.ts'
import { parseBase64Object } from '../wire.ts'

export type FormCondition =
  | { kind: 'eq' | 'starts-with'; field: string; value: string }
  | { kind: 'in' | 'not-in'; field: string; values: readonly string[] }
  | { kind: 'size'; minBytes: number; maxBytes: number }

export interface FormPolicy {
  expiresAt: Date
  conditions: readonly FormCondition[]
}

const malformed = (message: string) => refusal('InvalidPolicyDocument', { message })

export const violation = (message: string) => denied(`Invalid according to Policy: ${message}`)

/** Throws InvalidPolicyDocument. */
export function parsePolicy(encoded: string): FormPolicy {
  const document = parseBase64Object(encoded)
  if (!document) throw malformed('Invalid Policy: not the base64 of a JSON object.')
  const { expiration, conditions, ...others } = document
  if (Object.keys(others).length) throw malformed('Invalid Policy: unknown members.')
  const isIso = typeof expiration === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(expiration)
  const expiresAt = new Date(isIso ? expiration : Number.NaN)
  if (Number.isNaN(expiresAt.getTime())) throw malformed('Invalid Policy: expiration.')
  if (!Array.isArray(conditions) || conditions.length === 0) {
    throw malformed('Invalid Policy: conditions.')
  }
  return { expiresAt, conditions: conditions.flatMap(readCondition) }
}

function readCondition(condition: unknown): FormCondition[] {
  if (Array.isArray(condition)) return [readList(condition)]
  if (typeof condition !== 'object' || condition === null) throw malformed('Invalid condition.')
  return Object.entries(condition).map(([name, value]) => {
    if (typeof value !== 'string') throw malformed('Invalid condition: not a text.')
    return { kind: 'eq', field: name.toLowerCase(), value }
  })
}

const isSize = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0

function readList([kind, second, third, ...others]: unknown[]): FormCondition {
  if (others.length) throw malformed('Invalid condition: three members are needed.')
  if (kind === 'content-length-range') {
    if (isSize(second) && isSize(third) && second <= third) {
      return { kind: 'size', minBytes: second, maxBytes: third }
    }
    throw malformed('Invalid condition: content-length-range.')
  }
  if (typeof second !== 'string' || !second.startsWith('$')) {
    throw malformed('Invalid condition: a field starts with $.')
  }
  const field = second.slice(1).toLowerCase()
  if ((kind === 'eq' || kind === 'starts-with') && typeof third === 'string') {
    return { kind, field, value: third }
  }
  const isList = Array.isArray(third) && third.every((value) => typeof value === 'string')
  if ((kind === 'in' || kind === 'not-in') && isList) return { kind, field, values: third }
  throw malformed('Invalid condition: unknown operator or operand.')
}

/** Checks everything but the size, before a byte of the file is read. Throws AccessDenied. */
export function checkFields(
  { expiresAt, conditions }: FormPolicy,
  fields: ReadonlyMap<string, string>,
  now: Date,
): void {
  if (expiresAt <= now) throw violation('Policy expired.')
  for (const condition of conditions) {
    if (condition.kind === 'size' || isMet(condition, fields)) continue
    throw violation(`Policy Condition failed: ["${condition.kind}", "$${condition.field}", …]`)
  }
}

function isMet(
  condition: Exclude<FormCondition, { kind: 'size' }>,
  fields: ReadonlyMap<string, string>,
): boolean {
  const value = fields.get(condition.field)
  switch (condition.kind) {
    case 'eq':
      return value === condition.value
    case 'starts-with':
      return value?.startsWith(condition.value) ?? condition.value === ''
    case 'in':
      return value !== undefined && condition.values.includes(value)
    case 'not-in':
      return value === undefined || !condition.values.includes(value)
    default:
      return condition satisfies never
  }
}

/** The intersection of all `content-length-range` conditions, within `limitBytes`. */
export function sizeRange({ conditions }: FormPolicy, limitBytes: number) {
  const ranges = conditions.filter((condition) => condition.kind === 'size')
  return {
    minBytes: Math.max(0, ...ranges.map(({ minBytes }) => minBytes)),
    maxBytes: Math.min(limitBytes, ...ranges.map(({ maxBytes }) => maxBytes)),
  }
}

/** True if the policy fixes the field's value with an `eq` condition. */
export const requiresExact = ({ conditions }: FormPolicy, field: string): boolean =>
  conditions.some((condition) => condition.kind === 'eq' && condition.field === field)
