// Policy: what a Principal may upload, and the check of a request against it and the store's limits.
import { matchesContentType } from './content-type.ts'
import type { ObjectHeaders } from './object-headers.ts'
import { MiB, type PartLimits } from './part-plan.ts'
import { Problem } from './problem.ts'
import type { ProcessingRule } from './processing.ts'

export interface Policy {
  maxSizeBytes?: number
  /** Exact types, or families such as `image/*`; absent allows any. */
  contentTypes?: string[]
  keyTemplate?: string
  minPartSizeBytes?: number
  partSizeBytes?: number
  singleMaxBytes?: number
  idleSeconds?: number
  maxSeconds?: number
  urlSeconds?: number
  overwrite?: 'never' | 'replace'
  completion?: 'client' | 'backend'
  direct?: boolean
  /** `true` needs a declared checksum that matches; `unverified` also accepts none. */
  autoComplete?: boolean | 'unverified'
  delta?: boolean
  readBack?: boolean
  credentials?: boolean
  store?: string
  object?: ObjectHeaders
  quota?: { openUploads?: number; bytes?: number; bytesPerDay?: number }
  processing?: ProcessingRule[]
  userMessage?: string
}

export const POLICY_DEFAULTS = {
  partSizeBytes: 8 * MiB,
  singleMaxBytes: 8 * MiB,
  idleSeconds: 24 * 3600,
  maxSeconds: 7 * 24 * 3600,
  urlSeconds: 15 * 60,
  store: 'default',
} as const

/** The policy `default` of an app that is created without one. */
export const standardPolicy = ({ readBack }: { readBack: boolean }): Policy => ({
  quota: { openUploads: 100 },
  ...(readBack ? { readBack } : {}),
})

const refuse = (
  policy: Policy,
  code: 'file-too-large' | 'content-type-not-allowed' | 'size-required',
  detail: string,
  members: Record<string, unknown> = {},
) =>
  new Problem(code, {
    detail,
    members: { ...members, ...(policy.userMessage ? { userMessage: policy.userMessage } : {}) },
  })

/** The largest object in bytes that both the policy and the store allow. */
export const largestSize = (policy: Policy, limits: PartLimits): number =>
  Math.min(policy.maxSizeBytes ?? limits.maxObjectSizeBytes, limits.maxObjectSizeBytes)

/** Throws why the policy refuses, with the policy's own `userMessage`. */
export function checkPolicy(
  policy: Policy,
  request: ContentPolicyRequest,
  limits: PartLimits,
): void {
  const { sizeBytes, contentType } = request
  const maxSizeBytes = largestSize(policy, limits)
  if (sizeBytes === undefined && policy.maxSizeBytes === undefined) {
    throw refuse(
      policy,
      'size-required',
      'Declare sizeBytes: this policy has no maxSizeBytes, so an upload of unknown size cannot be reserved.',
    )
  }
  if (sizeBytes !== undefined && sizeBytes > maxSizeBytes) {
    throw refuse(policy, 'file-too-large', `At most ${maxSizeBytes} bytes are allowed.`, {
      maxSizeBytes,
    })
  }
  if (policy.contentTypes && !matchesContentType(policy.contentTypes, contentType)) {
    throw refuse(
      policy,
      'content-type-not-allowed',
      `Allowed content types: ${policy.contentTypes.join(', ')}.`,
      { contentTypes: policy.contentTypes },
    )
  }
}

/** `sizeBytes` is absent for a stream of unknown size. */
export interface ContentPolicyRequest {
  sizeBytes?: number
  contentType: string
}
