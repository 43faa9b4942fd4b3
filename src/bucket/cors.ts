// Which origins a CORS configuration already serves, and the one rule to add for those that it does not.
import {
  type BucketConfiguration,
  type CorsRule,
  matchesWildcard,
} from '../core/ports/bucket-settings.ts'

const METHODS = ['PUT', 'POST', 'GET', 'HEAD', 'DELETE'] as const
/** Without these a client cannot tell what the store has taken. */
const EXPOSED = ['ETag', 'x-oss-request-id', 'x-oss-hash-crc64ecma']
const MAX_AGE_SECONDS = 3600
/** "Limits", Alibaba Cloud OSS. */
const MAX_RULES = 10

export interface CorsPlan {
  /** Wanted origins that browsers cannot upload from yet. */
  missing: readonly string[]
  /** What to write; absent where nothing is missing, or where there is no room. */
  merged?: BucketConfiguration<CorsRule>
  /** The number of the foreign rule that ours has to stand before, since it would answer first and hides headers. */
  before?: number
}

const includesName = (names: readonly string[], wanted: string) =>
  names.some((name) => name.toLowerCase() === wanted.toLowerCase())

const exposesAll = ({ exposeHeaders }: CorsRule) =>
  EXPOSED.every((name) => includesName(exposeHeaders, name))

/** Whether every origin that `wanted` means (it may hold a `*` itself) is allowed by one pattern of the rule. */
const covers = ({ allowedOrigins }: CorsRule, wanted: string) =>
  allowedOrigins.some((pattern) => matchesWildcard(pattern, wanted))

/** Whether some origin is meant by both: then the rule may answer for it. */
const touches = ({ allowedOrigins }: CorsRule, wanted: string) =>
  allowedOrigins.some((pattern) => {
    if (matchesWildcard(pattern, wanted) || matchesWildcard(wanted, pattern)) return true
    if (!pattern.includes('*') || !wanted.includes('*')) return false
    const [a = '', b = ''] = pattern.split('*')
    const [c = '', d = ''] = wanted.split('*')
    return (a.startsWith(c) || c.startsWith(a)) && (b.endsWith(d) || d.endsWith(b))
  })

/** Where the search for a rule that serves origin and method ends: found, hidden behind another rule, or nowhere. */
function search(rules: readonly CorsRule[], origin: string, method: string) {
  // Only of what is sent must the answer's headers be readable; for the rest being allowed is enough.
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
  const wanted = [...new Set(origins)]
  const missing = wanted.filter((origin) =>
    METHODS.some((method) => !search(rules, origin, method).served),
  )
  if (missing.length === 0) return { missing }
  if (rules.length >= MAX_RULES) return { missing }
  const hiding = missing.flatMap((origin) =>
    METHODS.map((method) => search(rules, origin, method).hiddenBy).filter(
      (index) => index !== undefined,
    ),
  )
  const at = Math.min(rules.length, ...hiding)
  const merged = { ...present, rules: rules.toSpliced(at, 0, ruleFor(missing, rules.slice(at))) }
  return { missing, merged, before: at < rules.length ? at + 1 : undefined }
}

/** What the rules after ours let these origins read stays readable: ours now answers in their place. */
function ruleFor(origins: readonly string[], after: readonly CorsRule[]): CorsRule {
  const kept = after
    .filter((rule) => origins.some((origin) => touches(rule, origin)))
    .flatMap(({ exposeHeaders }) => exposeHeaders)
  const exposeHeaders = [...EXPOSED]
  for (const name of kept) if (!includesName(exposeHeaders, name)) exposeHeaders.push(name)
  return {
    // An asterisk means all the others, too.
    allowedOrigins: origins.includes('*') ? ['*'] : origins,
    allowedMethods: METHODS,
    allowedHeaders: ['*'],
    exposeHeaders,
    maxAgeSeconds: MAX_AGE_SECONDS,
  }
}
