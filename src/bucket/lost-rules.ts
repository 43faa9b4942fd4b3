// Checks, after a write, that the configuration still holds every rule that was there before.
import { type BucketConfiguration, isStored } from '../core/ports/bucket-settings.ts'

/** Returns the earlier rules in `written` that `found` lacks, or holds with other content. */
export function lostRules<Rule extends object>(
  written: BucketConfiguration<Rule>,
  found: BucketConfiguration<Rule> | undefined,
): readonly Rule[] {
  const there = (found?.rules ?? []).filter(isStored).map(({ canonical }) => canonical)
  return written.rules.filter((rule) => {
    if (!isStored(rule)) return false
    const at = there.indexOf(rule.canonical)
    if (at >= 0) there.splice(at, 1)
    return at < 0
  })
}
