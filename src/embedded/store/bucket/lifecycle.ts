// `/?lifecycle`: checks, stores and reads back the rules, but never executes them: nothing expires, moves or is aborted.
// Source: Alibaba Cloud OSS, "PutBucketLifecycle", and the pages of its EC codes.
import { LIFECYCLE } from '../../../storage/rest/bucket-xml.ts'
import { childrenNamed, textAt, type XmlElement } from '../../../storage/rest/xml-tree.ts'
import { randomId } from '../disk/layout.ts'
import { invalidArgument, malformed, refusal } from '../refusal.ts'
import type { Handler } from '../services.ts'
import { element, xmlDocument } from '../xml.ts'
import { checkChildren, documentHandlers, readDocument, wholeNumber } from './document.ts'

const MAX_BYTES = 1024 * 1024
const MAX_RULES = 1000
const MAX_ID_BYTES = 255
const ACTIONS = [
  'Expiration',
  'Transition',
  'AbortMultipartUpload',
  'NoncurrentVersionExpiration',
  'NoncurrentVersionTransition',
]

export const putLifecycle: Handler = async (request, { settings }) => {
  const { root } = await readDocument(request, MAX_BYTES, LIFECYCLE.root, '0014-00000012')
  checkChildren(root, ['Rule'])
  const rules = root.children
  if (rules.length === 0) throw refusal('MalformedXML')
  if (rules.length > MAX_RULES) {
    throw invalidArgument('Rule', String(rules.length), `At most ${MAX_RULES} lifecycle rules.`)
  }
  rules.forEach(checkRule)
  const ids = rules.map((rule) => textAt(rule, 'ID')).filter(Boolean)
  if (new Set(ids).size !== ids.length) {
    throw invalidArgument('ID', '', 'Two rules have the same ID.')
  }
  checkOverlaps(rules, request.headers['x-oss-allow-same-action-overlap'] === 'true')
  await settings.set('lifecycle', withIds(root))
  return { status: 200 }
}

export const { get: getLifecycle, remove: deleteLifecycle } = documentHandlers(
  'lifecycle',
  'NoSuchLifecycle',
)

function checkRule(rule: XmlElement): void {
  checkChildren(rule, ['ID', 'Prefix', 'Status', 'Tag', 'Filter', 'AtimeBase', ...ACTIONS])
  const count = (name: string) => childrenNamed(rule, name).length
  if (
    count('ID') > 1 ||
    count('Prefix') > 1 ||
    count('AbortMultipartUpload') > 1 ||
    Buffer.byteLength(textAt(rule, 'ID') ?? '') > MAX_ID_BYTES ||
    !['Enabled', 'Disabled'].includes(textAt(rule, 'Status') ?? '') ||
    !rule.children.some(({ name }) => ACTIONS.includes(name))
  ) {
    throw refusal('MalformedXML')
  }
  for (const action of rule.children) {
    const days = textAt(action, 'Days')
    const before = textAt(action, 'CreatedBeforeDate')
    if (days !== undefined && before !== undefined) {
      throw refusal('MalformedXML', { ec: '0014-00000061' })
    }
    if (days !== undefined && !((wholeNumber(days) ?? 0) >= 1)) throw refusal('MalformedXML')
    if (before !== undefined && !/^\d{4}-\d\d-\d\dT00:00:00(\.000)?Z$/.test(before)) {
      throw refusal('MalformedXML')
    }
    const bare = days === undefined && before === undefined
    if (action.name === 'AbortMultipartUpload' && bare) throw refusal('MalformedXML')
  }
}

/**
 * Ignores rules with a tag or a filter, because they select by more than their prefix. The header that allows an overlap
 * does not allow one of AbortMultipartUpload.
 */
function checkOverlaps(rules: readonly XmlElement[], allowed: boolean): void {
  const plain = rules
    .filter(({ children }) => !children.some(({ name }) => name === 'Tag' || name === 'Filter'))
    .map((rule) => ({ prefix: textAt(rule, 'Prefix') ?? '', actions: actionsOf(rule) }))
    .sort((a, b) => (a.prefix < b.prefix ? -1 : 1))
  plain.forEach((rule, index) => {
    for (const longer of plain.slice(index + 1)) {
      if (!longer.prefix.startsWith(rule.prefix)) break
      const shared = rule.actions
        .filter((action) => !allowed || action === 'AbortMultipartUpload')
        .find((action) => longer.actions.includes(action))
      if (shared) throw malformed(`Overlap for same action type ${shared}`, '0014-00000084')
      if (longer.prefix === rule.prefix && !allowed) {
        throw malformed('Two rules have the same prefix.', '0014-00000085')
      }
    }
  })
}

/** Transitions to different storage classes are different actions. */
const actionsOf = (rule: XmlElement): string[] =>
  rule.children
    .filter(({ name }) => ACTIONS.includes(name))
    .map((action) => `${action.name} ${textAt(action, 'StorageClass') ?? ''}`.trim())

/** Adds the missing IDs, as OSS does. */
const withIds = ({ children }: XmlElement): string => {
  const rules = children.map((rule) =>
    textAt(rule, 'ID')
      ? rule.xml
      : element('Rule', [
          element('ID', randomId().toLowerCase()),
          ...rule.children.filter(({ name }) => name !== 'ID').map(({ xml }) => xml),
        ]),
  )
  return xmlDocument(`<${LIFECYCLE.root}>${rules.join('')}</${LIFECYCLE.root}>`)
}
