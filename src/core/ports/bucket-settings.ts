// The settings of a bucket (CORS, lifecycle, ACL, versioning) and the port to them.

export interface CorsRule {
  /** Each has at most one `*`, and so do the headers. */
  allowedOrigins: readonly string[]
  allowedMethods: readonly string[]
  allowedHeaders: readonly string[]
  exposeHeaders: readonly string[]
  maxAgeSeconds?: number
}

export interface LifecycleRule {
  id: string
  /** '' means the whole bucket. */
  prefix: string
  enabled: boolean
  /** Absent if the rule does not abort unfinished uploads. */
  abort?: { days?: number; createdBefore?: string }
  /** Names of all elements of the rule, also of unknown ones, such as `Filter` or `Expiration/Days`. */
  elements: readonly string[]
}

/** A rule of the store. `xml` is written back unchanged; `canonical` is equal for equal content. */
export type StoredRule<Rule> = Rule & { xml: string; canonical: string }

/** Both configurations can only be written whole, so what is not a rule of ours is carried through. */
export interface BucketConfiguration<Rule> {
  rules: ReadonlyArray<Rule | StoredRule<Rule>>
  /** The root's tag and its elements that are not rules; only the adapter reads it. Absent in a new one. */
  frame?: { openTag: string; others: readonly string[] }
}

export const isStored = <Rule extends object>(
  rule: Rule | StoredRule<Rule>,
): rule is StoredRule<Rule> => 'xml' in rule

/** The port. Reading answers undefined where nothing is configured; all of it throws StoreFailure. */
export interface BucketSettings {
  readCors(): Promise<BucketConfiguration<CorsRule> | undefined>
  writeCors(configuration: BucketConfiguration<CorsRule>): Promise<void>
  readLifecycle(): Promise<BucketConfiguration<LifecycleRule> | undefined>
  writeLifecycle(configuration: BucketConfiguration<LifecycleRule>): Promise<void>
  /** `private`, `public-read` or `public-read-write`. */
  readAcl(): Promise<string>
  /** Undefined for a bucket that never was versioned. */
  readVersioning(): Promise<'Enabled' | 'Suspended' | undefined>
}

/** Whether a text matches a pattern with at most one `*`. */
export function matchesWildcard(pattern: string, text: string): boolean {
  const at = pattern.indexOf('*')
  if (at < 0) return pattern === text
  const [before, after] = [pattern.slice(0, at), pattern.slice(at + 1)]
  return (
    text.length >= before.length + after.length && text.startsWith(before) && text.endsWith(after)
  )
}

/**
 * The rule that answers, as OSS finds it: the first that allows origin and method, and for a preflight each header.
 * Source: Alibaba Cloud OSS, "PutBucketCors", "CORS rule matching".
 */
export const corsRuleFor = (
  rules: readonly CorsRule[],
  origin: string,
  method: string,
  headers: readonly string[] = [],
): CorsRule | undefined =>
  rules.find(
    (rule) =>
      rule.allowedOrigins.some((pattern) => matchesWildcard(pattern, origin)) &&
      rule.allowedMethods.includes(method) &&
      headers.every((header) =>
        rule.allowedHeaders.some((pattern) =>
          matchesWildcard(pattern.toLowerCase(), header.toLowerCase()),
        ),
      ),
  )
