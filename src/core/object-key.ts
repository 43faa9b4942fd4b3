// Renders a policy's template and a session's values to one safe key under the app's prefix. Every placeholder becomes one
// path segment, so that no value escapes its place. Two subjects never become the same segment.
import { digestHex, HEX, isWellFormed, utf8 } from '../bytes/encoding.ts'
import { fieldProblem, invalidField } from './problem.ts'

export const DEFAULT_KEY_TEMPLATE = '{subject}/{uploadId}/{filename}'

/** The least of the stores' limits: 1,023 bytes of UTF-8 (OSS, "Object naming conventions"). */
export const MAX_KEY_BYTES = 1023

const MAX_SUBJECT_SEGMENT_BYTES = 160
/** The readable start of a longer one. */
const SUBJECT_START_BYTES = 80

export interface KeyValues {
  /** From `subjectSegment`. */
  subjectSegment: string
  uploadId: string
  filename: string
  createdAt: Date
}

const PLACEHOLDERS: Record<string, (values: KeyValues) => string> = {
  subject: ({ subjectSegment }) => subjectSegment,
  uploadId: ({ uploadId }) => uploadId,
  filename: ({ filename }) => safeSegment(filename),
  extension: ({ filename }) => safeSegment(/\.([^.]+)$/.exec(filename)?.[1] ?? 'bin'),
  date: ({ createdAt }) => createdAt.toISOString().slice(0, 10),
  year: ({ createdAt }) => createdAt.toISOString().slice(0, 4),
  month: ({ createdAt }) => createdAt.toISOString().slice(5, 7),
  day: ({ createdAt }) => createdAt.toISOString().slice(8, 10),
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: keys must not have them.
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/u

/** Says why this text cannot be a key or a key prefix. */
export function keyFault(key: string): string | undefined {
  if (!isWellFormed(key)) return 'has a lone surrogate'
  const bytes = utf8(key).length
  if (bytes < 1 || bytes > MAX_KEY_BYTES)
    return `has ${bytes} bytes; 1 to ${MAX_KEY_BYTES} are allowed`
  if (key.startsWith('/') || key.startsWith('\\')) return 'starts with a slash'
  if (CONTROLS.test(key)) return 'has a control character'
  if (key.split('/').some((segment) => ['', '.', '..'].includes(segment)))
    return 'has an empty, "." or ".." segment'
  return undefined
}

/** Says why this template cannot be used. */
export function templateFault(template: string): string | undefined {
  const unknown = [...template.matchAll(/\{([^{}]*)\}/g)].find(
    ([, name]) => !Object.hasOwn(PLACEHOLDERS, name!),
  )
  if (unknown) {
    return `has the unknown placeholder ${unknown[0]}; known are ${Object.keys(PLACEHOLDERS)
      .map((name) => `{${name}}`)
      .join(', ')}`
  }
  const rest = template.replace(/\{[^{}]*\}/g, 'x')
  if (/[{}]/.test(rest)) return 'has an unpaired brace'
  if (/[^/]\{subject\}|\{subject\}[^/]/.test(template)) {
    return 'has {subject} beside other text; it must fill a segment alone'
  }
  return keyFault(rest)
}

/**
 * Says why a policy with `overwrite: replace` cannot use this template. The key must contain the upload's id or its subject, so
 * that no subject replaces another's object.
 */
export function replacedTemplateFault(template: string): string | undefined {
  if (/\{(uploadId|subject)\}/.test(template)) return undefined
  return 'lets one subject replace another’s object: with overwrite "replace" it must contain {subject} or {uploadId}'
}

/**
 * The subject as one path segment, different for every subject: each byte outside `A-Z a-z 0-9 - _ .` and a leading `.`
 * becomes `=XX`. A long one is cut and ends with `==` and its digest, which a short one cannot contain. Throws
 * `invalid-request` for a lone surrogate, since it has no bytes of its own.
 */
export async function subjectSegment(subject: string): Promise<string> {
  if (!isWellFormed(subject)) throw invalidField('/subject', 'has a lone surrogate')
  let segment = ''
  for (const byte of utf8(subject)) {
    const character = String.fromCharCode(byte)
    const plain = segment === '' ? /[\w-]/ : /[\w.-]/
    segment += plain.test(character) ? character : `=${HEX[byte]!.toUpperCase()}`
  }
  if (segment.length <= MAX_SUBJECT_SEGMENT_BYTES) return segment
  // Not in the middle of `=XX`.
  const start = segment.slice(0, SUBJECT_START_BYTES).replace(/=.?$/, '')
  return `${start}==${await digestHex(subject)}`
}

/** One path segment from any text: separators, wildcards and controls become `_`, and so do dots without other text. */
export function safeSegment(text: string): string {
  const replaced = text
    .normalize('NFC')
    .replace(/[/\\*?]/g, '_')
    .replace(new RegExp(CONTROLS.source, 'gu'), '_')
    .trim()
  if (replaced === '') return '_'
  return /^\.+$/.test(replaced) ? replaced.replaceAll('.', '_') : replaced
}

/** Throws `invalid-request` if the result is not a valid key. */
export function renderKey(prefix: string, template: string, values: KeyValues): string {
  const rendered = template.replace(/\{([^{}]*)\}/g, (_, name: string) =>
    PLACEHOLDERS[name]!(values),
  )
  const key = `${prefix}/${rendered}`
  const fault = keyFault(key)
  if (!fault) return key
  const sentence = `The object key for this upload ${fault}. Use a shorter or plainer filename.`
  throw fieldProblem('invalid-request', '/filename', `makes a key that ${fault}`, sentence)
}
