// `/?cors`, and the CORS headers of every answer. Without a configuration every origin may read, so that a browser works
// without any setup; with one, the first matching rule decides. Source: Alibaba Cloud OSS, "PutBucketCors", "Options".
import { type CorsRule, corsRuleFor } from '../../../core/ports/bucket-settings.ts'
import { CORS } from '../../../storage/rest/bucket-xml.ts'
import {
  childrenNamed,
  parseXmlTree,
  textAt,
  type XmlElement,
} from '../../../storage/rest/xml-tree.ts'
import { invalidArgument, refusal } from '../refusal.ts'
import type { Handler, Reply } from '../services.ts'
import type { WireRequest } from '../wire.ts'
import { element, xmlDocument } from '../xml.ts'
import { checkChildren, documentHandlers, readDocument, wholeNumber } from './document.ts'

const MAX_BYTES = 16 * 1024
const MAX_RULES = 10
const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD']
const PREFLIGHT_SECONDS = 600
const EXPOSED = [
  'ETag',
  'Date',
  'Content-Range',
  'x-oss-request-id',
  'x-oss-hash-crc64ecma',
  'x-oss-version-id',
  'x-oss-ec',
]

export const putCors: Handler = async (request, { settings }) => {
  const { xml, root } = await readDocument(request, MAX_BYTES, CORS.root)
  checkChildren(root, ['CORSRule', 'ResponseVary'])
  const rules = childrenNamed(root, 'CORSRule')
  if (rules.length === 0) throw refusal('MalformedXML')
  if (rules.length > MAX_RULES) {
    throw invalidArgument('CORSRule', String(rules.length), `At most ${MAX_RULES} CORS rules.`)
  }
  rules.forEach(checkRule)
  await settings.set('cors', xml)
  return { status: 200 }
}

export const { get: getCors, remove: deleteCors } = documentHandlers(
  'cors',
  'NoSuchCORSConfiguration',
  asAnswered,
)

/** OSS answers header names in lower case, and always says whether `Vary` is answered. */
function asAnswered(xml: string): string {
  const root = parseXmlTree(xml)
  if (!root) return xml
  const rules = childrenNamed(root, 'CORSRule').map((rule) =>
    element(
      'CORSRule',
      rule.children.map(({ name, text, xml }) =>
        name === 'AllowedHeader' ? element(name, text.trim().toLowerCase()) : xml,
      ),
    ),
  )
  const vary = textAt(root, 'ResponseVary')?.trim() === 'true'
  const content = [...rules, element('ResponseVary', String(vary))].join('')
  // The root's own tag, because it names the namespace.
  return xmlDocument(root.openTag + content + root.xml.slice(root.xml.lastIndexOf('</')))
}

function checkRule(stored: XmlElement): void {
  checkChildren(stored, [
    'AllowedOrigin',
    'AllowedMethod',
    'AllowedHeader',
    'ExposeHeader',
    'MaxAgeSeconds',
  ])
  const rule = CORS.read(stored)
  const age = childrenNamed(stored, 'MaxAgeSeconds')
  if (
    rule.allowedOrigins.length === 0 ||
    rule.allowedMethods.length === 0 ||
    rule.allowedMethods.some((method) => !METHODS.includes(method)) ||
    age.length > 1 ||
    age.some(({ text }) => wholeNumber(text) === undefined)
  ) {
    throw refusal('MalformedXML')
  }
  const stars = (text: string) => text.split('*').length - 1
  for (const text of [...rule.allowedOrigins, ...rule.allowedHeaders]) {
    if (text === '' || stars(text) > 1) {
      throw invalidArgument('CORSRule', text, 'An origin or header has at most one asterisk.')
    }
  }
  for (const text of rule.exposeHeaders) {
    if (text === '' || stars(text) > 0) {
      throw invalidArgument('ExposeHeader', text, 'ExposeHeader takes no asterisk.')
    }
  }
}

/** The CORS headers of any answer but a preflight's. */
export function corsHeaders(
  rules: readonly CorsRule[] | undefined,
  method: string,
  origin: string | undefined,
): Record<string, string> {
  if (rules === undefined) {
    return {
      'access-control-allow-origin': '*',
      'access-control-expose-headers': EXPOSED.join(', '),
    }
  }
  if (method === 'OPTIONS' || origin === undefined) return {}
  const rule = corsRuleFor(rules, origin, method)
  return rule ? ruleHeaders(rule, origin) : {}
}

const ruleHeaders = (rule: CorsRule, origin: string): Record<string, string> => ({
  'access-control-allow-origin': rule.allowedOrigins.includes('*') ? '*' : origin,
  'access-control-allow-methods': rule.allowedMethods.join(', '),
  ...(rule.exposeHeaders.length
    ? { 'access-control-expose-headers': rule.exposeHeaders.join(', ') }
    : {}),
  ...(rule.maxAgeSeconds === undefined
    ? {}
    : { 'access-control-max-age': String(rule.maxAgeSeconds) }),
  vary: 'Origin',
})

/** Answers `OPTIONS`, which browsers send unsigned. The signature of the request that follows decides over access. */
export function preflight({ headers }: WireRequest, rules: readonly CorsRule[] | undefined): Reply {
  const { origin } = headers
  const method = headers['access-control-request-method']
  if (origin === undefined || method === undefined) {
    throw refusal('BadRequest', { message: 'A preflight needs Origin and a method.' })
  }
  const requested = headers['access-control-request-headers']
  const allowHeaders: Record<string, string> = requested
    ? { 'access-control-allow-headers': requested }
    : {}
  if (rules === undefined) {
    return {
      status: 200,
      headers: {
        'access-control-allow-methods': METHODS.join(', '),
        ...allowHeaders,
        'access-control-max-age': String(PREFLIGHT_SECONDS),
        vary: 'Access-Control-Request-Headers',
      },
    }
  }
  const names = (requested ?? '').split(',').map((name) => name.trim())
  const rule = corsRuleFor(rules, origin, method, names.filter(Boolean))
  if (!rule) throw refusal('AccessForbidden')
  return { status: 200, headers: { ...ruleHeaders(rule, origin), ...allowHeaders } }
}
