// Finds the prefixes that a lifecycle configuration does not clear of abandoned parts, and plans rules for them. OSS refuses
// two rules for one prefix, and overlapping prefixes with the same action, so the plan adds no such rule.
import type { BucketConfiguration, LifecycleRule } from '../core/ports/bucket-settings.ts'

/** Longer than a session lives, which is seven days unless a policy says otherwise. The rule runs about once a day. */
export const ABORT_AFTER_DAYS = 8
/** "Limits", Alibaba Cloud OSS. */
const MAX_RULES = 1000
const OURS = ['ID', 'Prefix', 'Status', 'AbortMultipartUpload/Days']

/**
 * - `done`: a rule aborts what is old enough.
 * - `missing`: a rule must be added, or ours must wait longer.
 * - `early`: a rule aborts uploads that may be in progress.
 * - `in-the-way`: nothing clears the prefix, and OSS refuses our rule because of `rule`.
 * - `full`: the bucket has as many rules as OSS allows.
 */
export type PrefixState = 'done' | 'missing' | 'early' | 'in-the-way' | 'full'

export interface PrefixPlan {
  /** Ends with a slash. */
  prefix: string
  state: PrefixState
  rule?: LifecycleRule
}

export interface LifecyclePlan {
  prefixes: readonly PrefixPlan[]
  /** The configuration to write; absent if there is nothing to add. */
  merged?: BucketConfiguration<LifecycleRule>
}

const ruleId = (prefix: string): string => `countersign-abort-${prefix.replace(/\/$/, '')}`

const overlap = (a: string, b: string) => a.startsWith(b) || b.startsWith(a)

/** Whether we made the rule and nobody changed it. Only such a rule is ever replaced. */
const isOurs = (rule: LifecycleRule, prefix: string) =>
  rule.id === ruleId(prefix) &&
  rule.prefix === prefix &&
  rule.enabled &&
  rule.elements.length === OURS.length &&
  OURS.every((name) => rule.elements.includes(name))

const isEarly = ({ enabled, abort }: LifecycleRule, days: number) =>
  enabled && abort?.days !== undefined && abort.days < days

/** A rule with a tag or a filter does not apply to every upload. */
const clears = ({ enabled, abort, prefix: of, elements }: LifecycleRule, prefix: string) =>
  enabled &&
  abort?.days !== undefined &&
  prefix.startsWith(of) &&
  !elements.some((name) => /^(Tag|Filter)(\/|$)/.test(name))

function planPrefix(rules: readonly LifecycleRule[], prefix: string, days: number): PrefixPlan {
  const aborting = rules.filter((rule) => rule.abort && overlap(rule.prefix, prefix))
  const early = aborting.filter((rule) => isEarly(rule, days))
  const foreign = early.find((rule) => !isOurs(rule, prefix))
  if (foreign) return { prefix, state: 'early', rule: foreign }
  if (early[0]) return { prefix, state: 'missing', rule: early[0] }
  const clearing = aborting.find((rule) => clears(rule, prefix))
  if (clearing) return { prefix, state: 'done', rule: clearing }
  const inTheWay = aborting[0] ?? rules.find((rule) => rule.prefix === prefix)
  if (inTheWay) return { prefix, state: 'in-the-way', rule: inTheWay }
  return { prefix, state: 'missing' }
}

export function planLifecycle(
  present: BucketConfiguration<LifecycleRule> | undefined,
  prefixes: readonly string[],
  days = ABORT_AFTER_DAYS,
): LifecyclePlan {
  const rules = present?.rules ?? []
  const plans = [...new Set(prefixes)].map((prefix) => planPrefix(rules, prefix, days))
  const missing = plans.filter(({ state }) => state === 'missing')
  // A rule for a prefix also serves the prefixes below it.
  const added = missing
    .filter(({ rule }) => rule === undefined)
    .map(({ prefix }) => prefix)
    .filter((prefix, _, all) => !all.some((other) => other !== prefix && prefix.startsWith(other)))
  if (missing.length === 0) return { prefixes: plans }
  if (rules.length + added.length > MAX_RULES) {
    return {
      prefixes: plans.map((plan) => (plan.state === 'missing' ? { ...plan, state: 'full' } : plan)),
    }
  }
  const longer = (rule: LifecycleRule) =>
    missing.some(({ prefix }) => isOurs(rule, prefix) && isEarly(rule, days))
      ? ourRule(rule.id, rule.prefix, days)
      : rule
  const ids = new Set(rules.map(({ id }) => id))
  const merged = {
    ...present,
    rules: [
      ...rules.map(longer),
      ...added.map((prefix) => ourRule(freeId(ids, ruleId(prefix)), prefix, days)),
    ],
  }
  return { prefixes: plans, merged }
}

const ourRule = (id: string, prefix: string, days: number): LifecycleRule => ({
  id,
  prefix,
  enabled: true,
  abort: { days },
  elements: OURS,
})

/** A rule for another prefix may have our id already. */
function freeId(taken: Set<string>, wanted: string): string {
  let id = wanted
  for (let number = 2; taken.has(id); number++) id = `${wanted}-${number}`
  taken.add(id)
  return id
}
