// Decides whether and how an upload may be made: credential, policy, store and plan, before anything is reserved.
import { type PartPlan, planParts } from '../core/part-plan.ts'
import {
  type ContentPolicyRequest,
  checkPolicy,
  largestSize,
  POLICY_DEFAULTS,
  type Policy,
} from '../core/policy.ts'
import type { App } from '../core/ports/apps.ts'
import type { ObjectStore } from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import { type Principal, policyNameFor } from '../core/principal.ts'
import { invalidField, Problem } from '../core/problem.ts'
import type { UploadMethod } from '../core/upload-session.ts'

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
  /** The client's choice. Without one, the size and the store decide. */
  method?: 'form' | 'credentials'
  subject?: string
}

/** The policy that applies to a principal's request, and the store that it names. */
export interface AppliedPolicy {
  app: App
  policyName: string
  policy: Policy
  store: ObjectStore
}

/** An upload that may be made. */
export interface Decision extends AppliedPolicy {
  principal: Principal
  input: CreateInput
  subject: string
  contentType: string
  method: UploadMethod
  plan: PartPlan
}

export const grantExpired = () =>
  new Problem('unauthenticated', { detail: 'The grant has expired. Ask the app for a new one.' })

function subjectOf(principal: Principal, { subject }: CreateInput): string {
  if (principal.kind === 'api-key') {
    if (subject === undefined) {
      throw invalidField('/subject', 'is needed with an api key: whose upload is it?')
    }
    return subject
  }
  if (subject !== undefined) {
    throw invalidField('/subject', 'comes from the credential: leave it out')
  }
  return principal.subject
}

/** Uses a single PUT for one part that its signature protects from being overwritten, and multipart for everything else. */
function methodFor(policy: Policy, plan: PartPlan, store: ObjectStore): UploadMethod {
  if (plan.sizeBytes === null || plan.partCount > 1) return 'multipart'
  const fits = plan.sizeBytes <= (policy.singleMaxBytes ?? POLICY_DEFAULTS.singleMaxBytes)
  return fits && store.createOnlyPut && policy.overwrite !== 'replace' ? 'single' : 'multipart'
}

/** A form brings the whole object at once: one part, as large as a part may be. */
function planForm(policy: Policy, store: ObjectStore, { sizeBytes }: CreateInput): PartPlan {
  if (!store.presignForm) {
    throw invalidField('/method', 'form uploads are not offered by this store: leave it out')
  }
  if (policy.overwrite === 'replace') {
    throw invalidField('/method', 'a form only creates, and the policy replaces: leave it out')
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

function planUpload(policy: Policy, store: ObjectStore, input: CreateInput): PartPlan {
  const { minPartSizeBytes, maxPartSizeBytes } = store.limits
  const wanted = input.partSizeBytes
  if (wanted !== undefined && (wanted < minPartSizeBytes || wanted > maxPartSizeBytes)) {
    throw invalidField(
      '/partSizeBytes',
      `must be between ${minPartSizeBytes} and ${maxPartSizeBytes} bytes for this store`,
    )
  }
  return planParts(
    {
      sizeBytes: input.sizeBytes,
      maxSizeBytes: largestSize(policy, store.limits),
      preferredPartSizeBytes: wanted ?? policy.partSizeBytes ?? POLICY_DEFAULTS.partSizeBytes,
      minPartSizeBytes: policy.minPartSizeBytes,
    },
    store.limits,
  )
}

/** Throws `policy-not-found`, `forbidden`, `storage-unavailable`, and the policy's own refusals of the content. */
export async function applyPolicy(
  { apps, storeNamed, hasStore }: Services,
  principal: Principal,
  requested: string | undefined,
  content: ContentPolicyRequest,
): Promise<AppliedPolicy> {
  const policyName = policyNameFor(principal, requested)
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
  checkPolicy(policy, content, store.limits)
  return { app: found.app, policyName, policy, store }
}

/** Throws what `applyPolicy` throws, `unauthenticated` for an expired grant, and `invalid-request`. */
export async function decide(
  services: Services,
  principal: Principal,
  input: CreateInput,
): Promise<Decision> {
  if (principal.kind === 'grant' && principal.expired) throw grantExpired()
  const subject = subjectOf(principal, input)
  const { sizeBytes, contentType = DEFAULT_CONTENT_TYPE } = input
  const applied = await applyPolicy(services, principal, input.policy, { sizeBytes, contentType })
  const { policy, store } = applied
  const planFor = input.method === 'form' ? planForm : planUpload
  const plan = planFor(policy, store, input)
  const method = input.method ?? methodFor(policy, plan, store)
  return { ...applied, principal, input, subject, contentType, method, plan }
}
