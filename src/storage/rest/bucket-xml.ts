// CORS and lifecycle configurations as XML. A stored rule is written back unchanged, a new one from its fields.
import {
  type BucketConfiguration,
  type CorsRule,
  isStored,
  type LifecycleRule,
  type StoredRule,
} from '../../core/ports/bucket-settings.ts'
import { escapeXml } from './xml.ts'
import { canonicalXml, childrenNamed, parseXmlTree, textAt, type XmlElement } from './xml-tree.ts'

interface Shape<Rule> {
  root: string
  rule: string
  read(element: XmlElement): Rule
  write(rule: Rule): string
  /** Elements that a new configuration holds besides its rules. */
  others: readonly string[]
}

const texts = (element: XmlElement, name: string): string[] =>
  childrenNamed(element, name).map(({ text }) => text.trim())

const numberAt = (element: XmlElement | undefined, name: string): number | undefined => {
  const text = textAt(element, name)
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text)
}

const tag = (name: string, text: string | number) => `<${name}>${escapeXml(String(text))}</${name}>`
const tags = (name: string, list: readonly string[]) => list.map((text) => tag(name, text)).join('')

export const CORS: Shape<CorsRule> = {
  root: 'CORSConfiguration',
  rule: 'CORSRule',
  // Answers differ by origin, so a cache must not give one origin's answer to another.
  others: ['<ResponseVary>true</ResponseVary>'],
  read: (element) => ({
    allowedOrigins: texts(element, 'AllowedOrigin'),
    allowedMethods: texts(element, 'AllowedMethod'),
    allowedHeaders: texts(element, 'AllowedHeader'),
    exposeHeaders: texts(element, 'ExposeHeader'),
    maxAgeSeconds: numberAt(element, 'MaxAgeSeconds'),
  }),
  write: (rule) =>
    [
      tags('AllowedOrigin', rule.allowedOrigins),
      tags('AllowedMethod', rule.allowedMethods),
      tags('AllowedHeader', rule.allowedHeaders),
      tags('ExposeHeader', rule.exposeHeaders),
      rule.maxAgeSeconds === undefined ? '' : tag('MaxAgeSeconds', rule.maxAgeSeconds),
    ].join(''),
}

export const LIFECYCLE: Shape<LifecycleRule> = {
  root: 'LifecycleConfiguration',
  rule: 'Rule',
  others: [],
  read(element) {
    const [abort] = childrenNamed(element, 'AbortMultipartUpload')
    return {
      id: textAt(element, 'ID') ?? '',
      prefix: textAt(element, 'Prefix') ?? '',
      enabled: textAt(element, 'Status') === 'Enabled',
      abort: abort && {
        days: numberAt(abort, 'Days'),
        createdBefore: textAt(abort, 'CreatedBeforeDate'),
      },
      elements: element.children.flatMap(({ name, children }) =>
        children.length ? children.map((inner) => `${name}/${inner.name}`) : [name],
      ),
    }
  },
  write: ({ id, prefix, enabled, abort }) =>
    [
      tag('ID', id),
      tag('Prefix', prefix),
      tag('Status', enabled ? 'Enabled' : 'Disabled'),
      abort?.days === undefined
        ? ''
        : `<AbortMultipartUpload>${tag('Days', abort.days)}</AbortMultipartUpload>`,
    ].join(''),
}

/** Undefined if the document is no such configuration. */
export function readConfiguration<Rule>(
  shape: Shape<Rule>,
  document: string,
): BucketConfiguration<Rule> | undefined {
  const root = parseXmlTree(document)
  if (root?.name !== shape.root) return undefined
  return {
    rules: childrenNamed(root, shape.rule).map(
      (element): StoredRule<Rule> => ({
        ...shape.read(element),
        xml: element.xml,
        canonical: canonicalXml(element),
      }),
    ),
    frame: {
      openTag: root.openTag,
      others: root.children.filter(({ name }) => name !== shape.rule).map(({ xml }) => xml),
    },
  }
}

export function writeConfiguration<Rule extends object>(
  shape: Shape<Rule>,
  { rules, frame }: BucketConfiguration<Rule>,
): string {
  const { openTag, others } = frame ?? { openTag: `<${shape.root}>`, others: shape.others }
  const name = /^<([^\s>]+)/.exec(openTag)?.[1] ?? shape.root
  const written = rules.map((rule) =>
    isStored(rule) ? rule.xml : `<${shape.rule}>${shape.write(rule)}</${shape.rule}>`,
  )
  return `<?xml version="1.0" encoding="UTF-8"?>\n${openTag}${[...written, ...others].join('')}</${name}>`
}
