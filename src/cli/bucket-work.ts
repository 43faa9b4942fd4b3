// Checks a bucket and adds what it lacks: read, plan, write, read back. Every earlier rule must still be there afterwards.
import { lostRules } from '../bucket/lost-rules.ts'
import {
  type BucketState,
  type Finding,
  type Reading,
  type Review,
  review,
  type Wanted,
} from '../bucket/review.ts'
import {
  type BucketConfiguration,
  type BucketSettings,
  isStored,
} from '../core/ports/bucket-settings.ts'
import { isStoreFailure } from '../core/ports/store-failure.ts'

const READ_BACK_ATTEMPTS = 3
const READ_BACK_MS = 1_000

export interface Outcome {
  findings: readonly Finding[]
  /** The changes that were found when reading back, one line each. */
  changes: readonly string[]
  failures: readonly string[]
}

async function reading<Value>(read: () => Promise<Value | undefined>): Promise<Reading<Value>> {
  try {
    return { value: await read() }
  } catch (failure) {
    if (isStoreFailure(failure) && failure.code !== 'NoAnswer') return { refused: failure.code }
    throw failure
  }
}

const readState = async (settings: BucketSettings): Promise<BucketState> => ({
  cors: await reading(settings.readCors),
  lifecycle: await reading(settings.readLifecycle),
  acl: await reading(settings.readAcl),
  versioning: await reading(settings.readVersioning),
})

export async function checkBucket(settings: BucketSettings, wanted: Wanted): Promise<Outcome> {
  const { findings } = review(await readState(settings), wanted)
  return { findings, changes: [], failures: [] }
}

export async function applyToBucket(settings: BucketSettings, wanted: Wanted): Promise<Outcome> {
  const plan = review(await readState(settings), wanted)
  const { cors, lifecycle } = plan
  if (!cors?.merged && !lifecycle?.merged) {
    return { findings: plan.findings, changes: [], failures: [] }
  }
  const refused = [
    ...(await write('CORS', cors?.merged, settings.writeCors)),
    ...(await write('Lifecycle', lifecycle?.merged, settings.writeLifecycle)),
  ]
  for (let attempt = 1; ; attempt++) {
    const state = await readState(settings)
    const { findings } = review(state, wanted)
    const unverified = [
      ...findUnverified('CORS', cors?.merged, state.cors, findings),
      ...findUnverified('Lifecycle', lifecycle?.merged, state.lifecycle, findings),
    ]
    if (unverified.length === 0 || refused.length || attempt === READ_BACK_ATTEMPTS) {
      const failures = refused.length ? refused : unverified
      return { findings, changes: changesOf(plan, findings), failures }
    }
    await new Promise((resolve) => setTimeout(resolve, READ_BACK_MS))
  }
}

/** Returns a line if the store refuses the change. */
async function write<Rule>(
  about: 'CORS' | 'Lifecycle',
  merged: BucketConfiguration<Rule> | undefined,
  send: (configuration: BucketConfiguration<Rule>) => Promise<void>,
): Promise<string[]> {
  try {
    if (merged) await send(merged)
    return []
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    const action = { CORS: 'oss:PutBucketCors', Lifecycle: 'oss:PutBucketLifecycle' }[about]
    const advice = failure.code === 'AccessDenied' ? ` Allow this key ${action}.` : ''
    return [`${about} could not be written: the store answered ${failure.code}.${advice}`]
  }
}

/** Compares what was read back with what was written. Returns a line for each difference. */
function findUnverified<Rule extends object>(
  about: Finding['about'],
  merged: BucketConfiguration<Rule> | undefined,
  found: Reading<BucketConfiguration<Rule>>,
  findings: readonly Finding[],
): string[] {
  if (!merged) return []
  const value = 'value' in found ? found.value : undefined
  const lost = lostRules(merged, value).length
  const rules = lost === 1 ? 'an earlier rule has' : `${lost} earlier rules have`
  const lines = lost ? [`${about}: ${rules} disappeared. Check the rules in the OSS console.`] : []
  if (!isVerified(about, findings)) {
    lines.push(`${about}: the change was written, but reading it back does not show it.`)
  }
  return lines
}

const isVerified = (about: Finding['about'], findings: readonly Finding[]): boolean =>
  !findings.some((finding) => finding.about === about && finding.applies)

function changesOf({ cors, lifecycle }: Review, findings: readonly Finding[]): string[] {
  const corsRules = isVerified('CORS', findings) ? (cors?.merged?.rules ?? []) : []
  const lifecycleRules = isVerified('Lifecycle', findings) ? (lifecycle?.merged?.rules ?? []) : []
  const position = cors?.before ? ', before the rule that hid headers' : ''
  const lines: string[] = []
  for (const [index, rule] of corsRules.entries()) {
    if (isStored(rule)) continue
    const origins = rule.allowedOrigins.join(', ')
    lines.push(`CORS: added rule ${index + 1} for ${origins}${position}${others(corsRules)}`)
  }
  for (const rule of lifecycleRules) {
    if (isStored(rule)) continue
    const text = `uploads under ${rule.prefix} are aborted after ${rule.abort?.days} days`
    lines.push(`Lifecycle: wrote rule "${rule.id}": ${text}${others(lifecycleRules)}`)
  }
  return lines
}

function others(rules: readonly object[]): string {
  const count = rules.filter(isStored).length
  if (count === 0) return ''
  return `; the other ${count === 1 ? 'rule is' : `${count} rules are`} unchanged`
}
