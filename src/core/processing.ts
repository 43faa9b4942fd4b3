// Processing after upload: finds the rules of a policy that fit an upload, and the key under which each saves its result. The
// tasks are decided at creation and stored with the session, so that later changes of the policy do not touch them.
import { matchesContentType } from './content-type.ts'
import { type KeyValues, renderKey, templateFault } from './object-key.ts'
import { fieldProblem, type Problem } from './problem.ts'

export const MAX_PROCESSING_RULES = 10

/** The longest time that a store may work on a task, unless the rule has its own. */
export const PROCESSING_SECONDS = 24 * 3600

interface Saves {
  /** Below the app's prefix; it must contain {uploadId}. */
  keyTemplate: string
}

interface Awaited {
  /** After this long, a task without a result fails. */
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
  /** Every condition must hold. `keyPrefix` is relative to the app's prefix. */
  when?: { contentTypes?: string[]; keyPrefix?: string }
  target: ProcessingTarget
}

/** One rule applied to one upload. */
export interface ProcessingTask {
  /** Position of the rule in its policy, from 0. */
  rule: number
  name?: string
  target: ProcessingTarget
  /** The key of the result. */
  key: string
}

/** Operations and their parameters, without `|`, which would begin another operation, such as a second saveas. */
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
 * Why a result cannot be saved under this template, or undefined. The store overwrites, so without the upload's id a result
 * could replace another upload's result, or an uploaded object.
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

/** Throws `invalid-request` if a result would overwrite the upload itself or another rule's result. */
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
  const sentence = `filename ${detail} (${key}). Use another filename.`
  return fieldProblem('invalid-request', '/filename', detail, sentence)
}
