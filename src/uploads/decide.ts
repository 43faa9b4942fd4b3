// Whether and how an upload may be made: credential, policy, store and plan, before anything is reserved.
import { type PartPlan, planParts } from '../core/part-plan.ts'
import { checkPolicy, largestSize, POLICY_DEFAULTS, type Policy } from '../core/policy.ts'
import type { App } from '../core/ports/apps.ts'
import type { ObjectStore } from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import { type Principal, policyNameFor } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import type { UploadMethod } from '../core/upload-session.ts'
import { invalid } from './problems.ts'

export const DEFAULT_CONTENT_TYPE = 'application/octet-stream'

export interface CreateInput {
  filename: string
  sizeBytes?: number
  contentType?: string
  partSizeBytes?: number
  fingerprint?: string
  checksum?: string
  metadata?: Record<string, string>
  resume?: boolean
  policy?: string
  method?: 'form'
  subject?: string
}

export function subjectOf(principal: Principal, { subject }: CreateInput): string {
  if (principal.kind === 'api-key') {
    if (subject === undefined) {
      throw invalid('/subject', 'is needed with an api key: whose upload is it?')
    }
    return subject
  }
  if (subject !== undefined) throw invalid('/subject', 'comes from the credential: leave it out')
  return principal.subject
}

export const grantExpired = () =>
  new Problem('unauthenticated', { detail: 'The grant has expired. Ask the app for a new one.' })

/** An expired grant creates nothing, and resumes nothing. */
export function checkUnexpired(principal: Principal): void {
  if (principal.kind === 'grant' && principal.expired) throw grantExpired()
}

/** One part that the signature lets nobody write twice goes as a single PUT; everything else as multipart. */
export function methodFor(policy: Policy, plan: PartPlan, store: ObjectStore): UploadMethod {
  if (plan.sizeBytes === null || plan.partCount > 1) return 'multipart'
  const fits = plan.sizeBytes <= (policy.singleMaxBytes ?? POLICY_DEFAULTS.singleMaxBytes)
  return fits && store.createOnlyPut && policy.overwrite !== 'replace' ? 'single' : 'multipart'
}

/** A form brings the whole object at once: one part, as large as a part may be. */
function planForm(policy: Policy, store: ObjectStore, { sizeBytes }: CreateInput): PartPlan {
  if (!store.presignForm) {
    throw invalid('/method', 'form uploads are not offered by this store: leave it out')
  }
  if (policy.overwrite === 'replace') {
    throw invalid('/method', 'a form only creates, and the policy replaces: leave it out')
  }
  const most = Math.min(largestSize(policy, store.limits), store.limits.maxPartSizeBytes)
  if (sizeBytes === undefined) {
    return { sizeBytes: null, partSizeBytes: most, partCount: null, maxPartCount: 1 }
  }
  if (sizeBytes > most) {
    throw new Problem('file-too-large', {
      detail: `A form takes at most ${most} bytes: leave "method" out for a larger file.`,
      members: { maxSizeBytes: most },
    })
  }
  return { sizeBytes, partSizeBytes: Math.max(1, sizeBytes), partCount: Math.min(1, sizeBytes) }
}

export interface Decision {
  app: App
  policyName: string
  policy: Policy
  store: ObjectStore
  plan: PartPlan
}

export async function decide(
  { apps, storeNamed, hasStore }: Pick<Services, 'apps' | 'storeNamed' | 'hasStore'>,
  principal: Principal,
  input: CreateInput,
): Promise<Decision> {
  const policyName = policyNameFor(principal, input.policy)
  const found = await apps.findPolicy(principal.appId, policyName)
  if (!found?.policy) {
    throw new Problem('policy-not-found', {
      detail: `The app has no policy "${policyName}". Its owner makes one with PUT /v1/apps/{id}/policies/${policyName}.`,
    })
  }
  const backendCompletes = principal.kind === 'grant' && principal.grant.completion === 'backend'
  const policy: Policy = backendCompletes
    ? { ...found.policy, completion: 'backend' }
    : found.policy
  const storeName = policy.store ?? POLICY_DEFAULTS.store
  if (!hasStore(storeName)) {
    throw new Problem('storage-unavailable', {
      detail: `The policy names the store "${storeName}", which is not configured.`,
    })
  }
  const store = storeNamed(storeName)
  checkPolicy(
    policy,
    { sizeBytes: input.sizeBytes, contentType: input.contentType ?? DEFAULT_CONTENT_TYPE },
    store.limits,
  )
  if (input.method === 'form') {
    return { app: found.app, policyName, policy, store, plan: planForm(policy, store, input) }
  }
  const { minPartSizeBytes, maxPartSizeBytes } = store.limits
  const asked = input.partSizeBytes
  if (asked !== undefined && (asked < minPartSizeBytes || asked > maxPartSizeBytes)) {
    throw invalid(
      '/partSizeBytes',
      `must be between ${minPartSizeBytes} and ${maxPartSizeBytes} bytes for this store`,
    )
  }
  const plan = planParts(
    {
      sizeBytes: input.sizeBytes,
      maxSizeBytes: largestSize(policy, store.limits),
      preferredPartSizeBytes: asked ?? policy.partSizeBytes ?? POLICY_DEFAULTS.partSizeBytes,
      minPartSizeBytes: policy.minPartSizeBytes,
    },
    store.limits,
  )
  return { app: found.app, policyName, policy, store, plan }
}
