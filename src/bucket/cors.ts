// Finds the origins that a CORS configuration does not serve, and plans the one rule to add for them.
import { matchesPattern } from '../core/claims.ts'
import type { BucketConfiguration, CorsRule } from '../core/ports/bucket-settings.ts'

const METHODS = ['PUT', 'POST', 'GET', 'HEAD', 'DELETE'] as const
/** A client needs these headers to know what the store has received. */
const EXPOSED = ['ETag', 'x-oss-request-id', 'x-oss-hash-crc64ecma']
const MAX_AGE_SECONDS = 3600
/** "Limits", Alibaba Cloud OSS. */
const MAX_RULES = 10

export interface CorsPlan {
  /** Origins that browsers cannot upload from yet. */
  missing: readonly string[]
  /** The configuration to write; absent if nothing is missing, or if there is no room for a rule. */
  merged?: BucketConfiguration<CorsRule>
  /** The number of the foreign rule that ours must precede, because that rule would answer first and hides headers. */
  before?: number
}

const includesName = (names: readonly string[], wanted: string) =>
  names.some((name) => name.toLowerCase() === wanted.toLowerCase())

const exposesAll = ({ exposeHeaders }: CorsRule) =>
  EXPOSED.every((name) => includesName(exposeHeaders, name))

/** Whether one pattern of the rule allows every origin that `wanted` matches; `wanted` may hold a `*`. */
const covers = ({ allowedOrigins }: CorsRule, wanted: string) =>
  allowedOrigins.some((pattern) => matchesPattern(pattern, wanted))

/** Whether the rule may answer for some origin that `wanted` matches. */
const touches = ({ allowedOrigins }: CorsRule, wanted: string) =>
  allowedOrigins.some((pattern) => {
    if (matchesPattern(pattern, wanted) || matchesPattern(wanted, pattern)) return true
    if (!pattern.includes('*') || !wanted.includes('*')) return false
    const [a = '', b = ''] = pattern.split('*')
    const [c = '', d = ''] = wanted.split('*')
    return (a.startsWith(c) || c.startsWith(a)) && (b.endsWith(d) || d.endsWith(b))
  })

/** Finds the rule that serves origin and method, or the rule that answers before it and hides headers. */
function search(rules: readonly CorsRule[], origin: string, method: string) {
  // A client reads the answer's headers only of PUT and POST.
  const sends = method === 'PUT' || method === 'POST'
  for (const [index, rule] of rules.entries()) {
    if (!rule.allowedMethods.includes(method) || !touches(rule, origin)) continue
    if (sends && !exposesAll(rule)) return { hiddenBy: index }
    if (rule.allowedHeaders.includes('*') && covers(rule, origin)) return { served: true }
  }
  return {}
}

export function planCors(
  present: BucketConfiguration<CorsRule> | undefined,
  origins: readonly string[],
): CorsPlan {
  const rules = present?.rules ?? []
  const missing = [...new Set(origins)].filter((origin) =>
    METHODS.some((method) => !search(rules, origin, method).served),
  )
  if (missing.length === 0 || rules.length >= MAX_RULES) return { missing }
  const hiding = missing.flatMap((origin) =>
    METHODS.map((method) => search(rules, origin, method).hiddenBy ?? rules.length),
  )
  const at = Math.min(...hiding)
  const merged = { ...present, rules: rules.toSpliced(at, 0, ruleFor(missing, rules.slice(at))) }
  return { missing, merged, before: at < rules.length ? at + 1 : undefined }
}

/** Also exposes what the rules after ours expose to these origins, because ours now answers in their place. */
function ruleFor(origins: readonly string[], after: readonly CorsRule[]): CorsRule {
  const exposedAfter = after
    .filter((rule) => origins.some((origin) => touches(rule, origin)))
    .flatMap(({ exposeHeaders }) => exposeHeaders)
  const exposeHeaders = [...EXPOSED]
  for (const name of exposedAfter) if (!includesName(exposeHeaders, name)) exposeHeaders.push(name)
  return {
    // An asterisk includes all others.
    allowedOrigins: origins.includes('*') ? ['*'] : origins,
    allowedMethods: METHODS,
    allowedHeaders: ['*'],
    exposeHeaders,
    maxAgeSeconds: MAX_AGE_SECONDS,
  }
}
