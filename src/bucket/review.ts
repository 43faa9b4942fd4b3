// Reviews a bucket's settings: findings that an operator can act on, and the plans for CORS and lifecycle behind them.
import type { BucketConfiguration, CorsRule, LifecycleRule } from '../core/ports/bucket-settings.ts'
import { type CorsPlan, planCors } from './cors.ts'
import { type LifecyclePlan, type PrefixPlan, planLifecycle } from './lifecycle.ts'

/** A setting, or the store's code if it could not be read. */
export type Reading<Value> = { value: Value | undefined } | { refused: string }

export interface BucketState {
  cors: Reading<BucketConfiguration<CorsRule>>
  lifecycle: Reading<BucketConfiguration<LifecycleRule>>
  acl: Reading<string>
  versioning: Reading<'Enabled' | 'Suspended'>
}

export interface Wanted {
  origins: readonly string[]
  /** Each ends with a slash. */
  prefixes: readonly string[]
  abortAfterDays: number
}

/** `missing` fails the check. A `warning` is for the operator to judge. */
export interface Finding {
  level: 'ok' | 'missing' | 'warning'
  about: 'CORS' | 'Lifecycle' | 'ACL' | 'Versioning'
  text: string
  todo?: string
  /** Whether `bucket apply` fixes it. */
  applies?: boolean
}

export interface Review {
  findings: readonly Finding[]
  cors?: CorsPlan
  lifecycle?: LifecyclePlan
}

const READ_ACTIONS = {
  CORS: 'oss:GetBucketCors',
  Lifecycle: 'oss:GetBucketLifecycle',
  ACL: 'oss:GetBucketAcl',
  Versioning: 'oss:GetBucketVersioning',
} as const

const ok = (about: Finding['about'], text: string): Finding => ({ level: 'ok', about, text })

const warning = (about: Finding['about'], text: string, todo: string): Finding => ({
  level: 'warning',
  about,
  text,
  todo,
})

const unreadable = (about: Finding['about'], code: string, level: Finding['level']): Finding => ({
  level,
  about,
  text: `could not be read: the store answered ${code}`,
  todo: code === 'AccessDenied' ? `Allow this key ${READ_ACTIONS[about]}.` : undefined,
})

export function review(state: BucketState, wanted: Wanted): Review {
  const cors = 'value' in state.cors ? planCors(state.cors.value, wanted.origins) : undefined
  const lifecycle =
    'value' in state.lifecycle
      ? planLifecycle(state.lifecycle.value, wanted.prefixes, wanted.abortAfterDays)
      : undefined
  return {
    cors,
    lifecycle,
    findings: [
      ...('refused' in state.cors
        ? [unreadable('CORS', state.cors.refused, 'missing')]
        : corsFindings(cors!, wanted.origins)),
      ...('refused' in state.lifecycle
        ? [unreadable('Lifecycle', state.lifecycle.refused, 'missing')]
        : lifecycle!.prefixes.map((plan) => prefixFinding(plan, wanted.abortAfterDays))),
      'refused' in state.acl
        ? unreadable('ACL', state.acl.refused, 'warning')
        : aclFinding(state.acl.value ?? ''),
      'refused' in state.versioning
        ? unreadable('Versioning', state.versioning.refused, 'warning')
        : versioningFinding(state.versioning.value),
    ],
  }
}

const named = (origin: string) => (origin === '*' ? 'any origin' : origin)

function corsFindings({ missing, merged, before }: CorsPlan, origins: readonly string[]) {
  if (origins.length === 0) return [ok('CORS', 'no app allows an origin')]
  const findings = origins
    .filter((origin) => !missing.includes(origin))
    .map((origin) => ok('CORS', `browsers on ${named(origin)} may upload`))
  for (const origin of missing) {
    findings.push({
      level: 'missing',
      about: 'CORS',
      text: `browsers on ${named(origin)} cannot upload${before ? `: rule ${before} answers first and hides headers` : ''}`,
      todo: merged
        ? 'Add a rule: PUT, POST, GET, HEAD and DELETE with all headers, ETag exposed.'
        : 'The bucket has 10 CORS rules, as many as OSS takes: merge or remove one.',
      applies: merged !== undefined,
    })
  }
  return findings
}

function prefixFinding({ prefix, state, rule }: PrefixPlan, days: number): Finding {
  const about = 'Lifecycle'
  const name = rule ? ruleName(rule, prefix) : ''
  const abortDays = rule?.abort?.days
  switch (state) {
    case 'done':
      return ok(about, `${prefix}: abandoned parts go after ${abortDays} days (${name})`)
    case 'missing':
      return {
        level: 'missing',
        about,
        text: rule
          ? `${prefix}: our own ${name} aborts uploads after ${abortDays} days`
          : `${prefix}: abandoned parts stay for ever, and are billed`,
        todo: rule
          ? `Change it to ${days} days.`
          : `Add a rule that aborts multipart uploads after ${days} days.`,
        applies: true,
      }
    case 'early':
      return warning(
        about,
        `${prefix}: ${name} aborts uploads after ${abortDays} days, while they may be going on`,
        `Change its AbortMultipartUpload to ${days} days or more.`,
      )
    case 'full':
      return {
        level: 'missing',
        about,
        text: `${prefix}: abandoned parts stay, and the bucket has 1000 lifecycle rules, as many as OSS takes`,
        todo: 'Merge or remove one.',
      }
    case 'in-the-way':
      return warning(
        about,
        `${prefix}: abandoned parts stay, and OSS takes no rule for them beside ${name}`,
        rule?.abort
          ? `Make it Enabled, for all of ${prefix}, with AbortMultipartUpload of ${days} days.`
          : `Add AbortMultipartUpload with ${days} days to it.`,
      )
  }
}

/** Names where the rule applies, unless that is the prefix itself. */
const ruleName = ({ id, prefix: of }: LifecycleRule, prefix: string): string =>
  `rule "${id}"${of === prefix ? '' : ` for ${of || 'the whole bucket'}`}`

function aclFinding(acl: string): Finding {
  if (acl === 'public-read-write') {
    const text = 'public-read-write: anyone can write, with no signature at all'
    return warning('ACL', text, 'Set the bucket’s ACL to private.')
  }
  if (acl === 'public-read') {
    const text = 'public-read: anyone who knows a key reads the object'
    return warning('ACL', text, 'Set it to private, unless that is what you want.')
  }
  return ok('ACL', acl)
}

function versioningFinding(status: 'Enabled' | 'Suspended' | undefined): Finding {
  if (status === undefined) return ok('Versioning', 'never enabled')
  const text =
    status === 'Enabled'
      ? 'enabled: x-oss-forbid-overwrite is ignored, and a delete leaves the version'
      : 'suspended: x-oss-forbid-overwrite is ignored, and earlier versions stay'
  const todo = 'Use a bucket that never was versioned, or expire noncurrent versions.'
  return warning('Versioning', text, todo)
}
