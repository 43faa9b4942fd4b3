// The policy of a form: what it demands, and whether these fields and this file keep to it. Pure.
// Source: Alibaba Cloud OSS, "PostObject", "Appendix: Policy".
import { fromBase64, fromUtf8 } from '../../../bytes/encoding.ts'
import { refusal } from '../refusal.ts'

export type FormCondition =
  | { kind: 'eq' | 'starts-with'; field: string; value: string }
  | { kind: 'in' | 'not-in'; field: string; values: readonly string[] }
  | { kind: 'size'; least: number; most: number }

export interface FormPolicy {
  expiresAt: Date
  conditions: readonly FormCondition[]
}

const malformed = (message: string) => refusal('InvalidPolicyDocument', { message })

export const against = (what: string) =>
  refusal('AccessDenied', { message: `Invalid according to Policy: ${what}` })

/** Throws InvalidPolicyDocument. */
export function parsePolicy(encoded: string): FormPolicy {
  const { expiration, conditions, ...rest } = parseObject(encoded)
  if (Object.keys(rest).length) throw malformed('Invalid Policy: unknown members.')
  const iso = typeof expiration === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(expiration)
  const expiresAt = new Date(iso ? expiration : Number.NaN)
  if (Number.isNaN(expiresAt.getTime())) throw malformed('Invalid Policy: expiration.')
  if (!Array.isArray(conditions) || conditions.length === 0) {
    throw malformed('Invalid Policy: conditions.')
  }
  return { expiresAt, conditions: conditions.flatMap(readCondition) }
}

function parseObject(encoded: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(fromUtf8(fromBase64(encoded)!))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>
    }
  } catch {
    // Not base64, not UTF-8 or not JSON: one refusal for all of them.
  }
  throw malformed('Invalid Policy: not the base64 of a JSON object.')
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

function readList([kind, second, third, ...more]: unknown[]): FormCondition {
  if (more.length) throw malformed('Invalid condition: three members are needed.')
  if (kind === 'content-length-range') {
    if (isSize(second) && isSize(third) && second <= third) {
      return { kind: 'size', least: second, most: third }
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

/** Everything but the size, before a byte of the file is read. Throws AccessDenied. */
export function checkFields(
  { expiresAt, conditions }: FormPolicy,
  fields: ReadonlyMap<string, string>,
  now: Date,
): void {
  if (expiresAt <= now) throw against('Policy expired.')
  for (const condition of conditions) {
    if (condition.kind === 'size' || holds(condition, fields)) continue
    throw against(`Policy Condition failed: ["${condition.kind}", "$${condition.field}", …]`)
  }
}

function holds(
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

/** Where several ranges are given, all of them hold. */
export function sizeRange({ conditions }: FormPolicy, most: number) {
  const ranges = conditions.filter((condition) => condition.kind === 'size')
  return {
    least: Math.max(0, ...ranges.map(({ least }) => least)),
    most: Math.min(most, ...ranges.map((range) => range.most)),
  }
}

export const demands = ({ conditions }: FormPolicy, field: string): boolean =>
  conditions.some((condition) => condition.kind === 'eq' && condition.field === field)
