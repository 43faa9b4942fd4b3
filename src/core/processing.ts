// Processing after upload: which rules of a policy fit an upload, and under which key each one saves. Decided when the
// upload is created and kept with its session, so that nothing changed later changes what an upload is owed.
import { matchesContentType } from './content-type.ts'
import { type KeyValues, renderKey, templateFault } from './object-key.ts'
import { Problem } from './problem.ts'

export const MAX_PROCESSING_RULES = 10

/** How long a store may work on one, unless the rule says otherwise. */
export const PROCESSING_SECONDS = 24 * 3600

interface Saves {
  /** Below the app's prefix, as a policy's own keyTemplate; it must contain {uploadId}. */
  keyTemplate: string
}

interface Awaited {
  /** After so many seconds what is not there yet has failed. */
  maxSeconds?: number
}

export type ProcessingTarget =
  /** Image processing of OSS, which answers when the result is saved. */
  | ({ type: 'oss-image'; operation: string } & Saves)
  /** Asynchronous processing of OSS: video, audio, documents. */
  | ({ type: 'oss-async'; operation: string } & Saves & Awaited)
  /** A transcoding job of Media Processing. */
  | ({ type: 'media'; pipelineId: string; templateId: string } & Saves & Awaited)

export const PROCESSING_TARGETS = [
  'oss-image',
  'oss-async',
  'media',
] as const satisfies readonly ProcessingTarget['type'][]

export interface ProcessingRule {
  name?: string
  /** All that is given must fit. `keyPrefix` stands below the app's prefix. */
  when?: { contentTypes?: string[]; keyPrefix?: string }
  target: ProcessingTarget
}

/** What one rule owes one upload: fixed at creation. */
export interface ProcessingTask {
  /** Position of the rule in its policy, from 0. */
  rule: number
  name?: string
  target: ProcessingTarget
  /** Where the result is saved. */
  key: string
}

/** Operations and their parameters. A `|` would end ours and begin another, such as a second saveas. */
const OPERATION = /^[a-z]+\/[\w.-]+(,[\w.:=-]*)*(\/[\w.-]+(,[\w.:=-]*)*)*$/
const FAMILIES = {
  'oss-image': ['image', 'style'],
  'oss-async': ['video', 'audio', 'doc', 'image', 'style'],
} as const

/** Why this operation cannot be used, or undefined. */
export function operationFault(type: keyof typeof FAMILIES, operation: string): string | undefined {
  const families: readonly string[] = FAMILIES[type]
  if (!families.includes(operation.split('/')[0]!)) {
    return `must begin with ${families.map((family) => `${family}/`).join(' or ')}`
  }
  if (!OPERATION.test(operation)) {
    return 'must be actions with parameters, such as image/resize,w_100/format,webp; where it is saved is what keyTemplate says'
  }
  return undefined
}

/**
 * Why a result cannot be saved under this template, or undefined. Without the upload's id two uploads could save under
 * one key, and a result could take the place of what somebody uploaded: OSS saves over what is there.
 */
export function savedTemplateFault(template: string): string | undefined {
  const fault = templateFault(template)
  if (fault) return fault
  return template.includes('{uploadId}') ? undefined : 'must contain {uploadId}'
}

export interface ProcessedUpload {
  appPrefix: string
  key: string
  contentType: string
  values: KeyValues
}

function fits({ when = {} }: ProcessingRule, { appPrefix, key, contentType }: ProcessedUpload) {
  const { contentTypes, keyPrefix = '' } = when
  if (contentTypes && !matchesContentType(contentTypes, contentType)) return false
  return key.startsWith(`${appPrefix}/${keyPrefix}`)
}

const bothMean = (one: string, other: string): boolean => {
  const [family, subtype] = one.toLowerCase().split('/')
  const [otherFamily, otherSubtype] = other.toLowerCase().split('/')
  const meet = (a?: string, b?: string) => a === '*' || b === '*' || a === b
  return meet(family, otherFamily) && meet(subtype, otherSubtype)
}

/** Whether one upload may fit both rules. */
export function overlap({ when: one = {} }: ProcessingRule, { when: other = {} }: ProcessingRule) {
  const types = one.contentTypes ?? ['*/*']
  const otherTypes = other.contentTypes ?? ['*/*']
  const prefix = one.keyPrefix ?? ''
  const otherPrefix = other.keyPrefix ?? ''
  return (
    (prefix.startsWith(otherPrefix) || otherPrefix.startsWith(prefix)) &&
    types.some((type) => otherTypes.some((otherType) => bothMean(type, otherType)))
  )
}

/** Throws `invalid-request` where a result would be saved over the upload itself or over another rule's result. */
export function planProcessing(
  rules: readonly ProcessingRule[],
  upload: ProcessedUpload,
): ProcessingTask[] {
  const taken = new Set([upload.key])
  return rules.flatMap((rule, index) => {
    if (!fits(rule, upload)) return []
    const key = renderKey(upload.appPrefix, rule.target.keyTemplate, upload.values)
    if (taken.has(key)) throw keyTaken(key)
    taken.add(key)
    return [{ rule: index, name: rule.name, target: rule.target, key }]
  })
}

function keyTaken(key: string): Problem {
  const detail = 'makes a key under which processing saves its result'
  return new Problem('invalid-request', {
    detail: `filename ${detail} (${key}). Use another filename.`,
    members: { errors: [{ pointer: '/filename', detail }] },
  })
}
