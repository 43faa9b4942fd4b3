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
    await writing('CORS', 'oss:PutBucketCors', cors?.merged, settings.writeCors),
    await writing(
      'Lifecycle',
      'oss:PutBucketLifecycle',
      lifecycle?.merged,
      settings.writeLifecycle,
    ),
  ].filter((line) => line !== undefined)
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

async function writing<Rule>(
  about: string,
  action: string,
  merged: BucketConfiguration<Rule> | undefined,
  write: (configuration: BucketConfiguration<Rule>) => Promise<void>,
): Promise<string | undefined> {
  if (!merged) return undefined
  try {
    await write(merged)
    return undefined
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    const advice = failure.code === 'AccessDenied' ? ` Allow this key ${action}.` : ''
    return `${about} could not be written: the store answered ${failure.code}.${advice}`
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
  const isMissing = findings.some((finding) => finding.about === about && finding.applies)
  return [
    ...(lost ? [`${about}: ${rules} disappeared. Check the rules in the OSS console.`] : []),
    ...(isMissing
      ? [`${about}: the change was written, but reading it back does not show it.`]
      : []),
  ]
}

function changesOf({ cors, lifecycle }: Review, findings: readonly Finding[]): string[] {
  const isVerified = (about: Finding['about']) =>
    !findings.some((finding) => finding.about === about && finding.applies)
  const added = cors?.merged?.rules.findIndex((rule) => !isStored(rule)) ?? -1
  const corsRule = cors?.merged?.rules[added]
  const position = cors?.before ? ', before the rule that hid headers' : ''
  const others = (count = 0) =>
    count === 0 ? '' : `; the other ${count === 1 ? 'rule is' : `${count} rules are`} unchanged`
  const earlier = lifecycle?.merged?.rules.filter(isStored).length
  const written = lifecycle?.merged?.rules.filter((rule) => !isStored(rule)) ?? []
  return [
    ...(corsRule && isVerified('CORS')
      ? [
          `CORS: added rule ${added + 1} for ${corsRule.allowedOrigins.join(', ')}${position}${others((cors?.merged?.rules.length ?? 1) - 1)}`,
        ]
      : []),
    ...(isVerified('Lifecycle')
      ? written.map(
          ({ id, prefix, abort }) =>
            `Lifecycle: wrote rule "${id}": uploads under ${prefix} are aborted after ${abort?.days} days${others(earlier)}`,
        )
      : []),
  ]
}
