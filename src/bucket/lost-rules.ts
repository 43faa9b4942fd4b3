// What has to be found again when a configuration is read back: every rule that was carried over, and every new one.
import { type BucketConfiguration, isStored } from '../core/ports/bucket-settings.ts'

/** The carried rules of `written` that `found` does not have with the same content. */
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
