// The settings of a bucket (CORS, lifecycle, ACL, versioning) and the port to them.
import { matchesPattern } from '../claims.ts'

export interface CorsRule {
  /** Origins and headers have at most one `*` each. */
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
  /** Names of all elements, including unknown ones, such as `Filter` or `Expiration/Days`. */
  elements: readonly string[]
}

/** A rule of the store. `xml` is written back unchanged; `canonical` is equal for equal content. */
export type StoredRule<Rule> = Rule & { xml: string; canonical: string }

/** Both configurations are written whole, so rules and elements that are not ours are written back with them. */
export interface BucketConfiguration<Rule> {
  rules: ReadonlyArray<Rule | StoredRule<Rule>>
  /** The root's tag and its other elements, which only the adapter reads. Absent in a new configuration. */
  frame?: { openTag: string; others: readonly string[] }
}

export const isStored = <Rule extends object>(
  rule: Rule | StoredRule<Rule>,
): rule is StoredRule<Rule> => 'xml' in rule

/** Each read returns undefined if nothing is configured. Every method throws StoreFailure. */
export interface BucketSettings {
  readCors(): Promise<BucketConfiguration<CorsRule> | undefined>
  writeCors(configuration: BucketConfiguration<CorsRule>): Promise<void>
  readLifecycle(): Promise<BucketConfiguration<LifecycleRule> | undefined>
  writeLifecycle(configuration: BucketConfiguration<LifecycleRule>): Promise<void>
  /** `private`, `public-read` or `public-read-write`. */
  readAcl(): Promise<string>
  /** Undefined for a bucket that was never versioned. */
  readVersioning(): Promise<'Enabled' | 'Suspended' | undefined>
}

/**
 * Finds the rule that OSS applies: the first that allows the origin, the method and, for a preflight, each header.
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
      rule.allowedOrigins.some((pattern) => matchesPattern(pattern, origin)) &&
      rule.allowedMethods.includes(method) &&
      headers.every((header) =>
        rule.allowedHeaders.some((pattern) =>
          matchesPattern(pattern.toLowerCase(), header.toLowerCase()),
        ),
      ),
  )
