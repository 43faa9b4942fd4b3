// Reads the callback of a request from its headers or its signed query, before anything is stored.
// Source: Alibaba Cloud OSS, "Upload callbacks".
import { invalidArgument } from '../refusal.ts'
import type { StoreRequest, StoreServices } from '../services.ts'
import { parseBase64Object } from '../wire.ts'
import { checkReach } from './reach.ts'

const MAX_PARAMETER_LENGTH = 5 * 1024
const MAX_URLS = 5
const FORM = 'application/x-www-form-urlencoded'

export type CallbackBodyType = 'application/json' | typeof FORM

export interface CallbackPlan {
  /** Tried in order until one answers correctly. */
  urls: URL[]
  /** The Host header, if it differs from the URL's host. */
  host: string | undefined
  template: string
  bodyType: CallbackBodyType
  /** `x:name` → value. */
  variables: ReadonlyMap<string, string>
}

/** Undefined without a callback. Throws InvalidArgument, and AccessDenied if the caller may not call these URLs. */
export function readCallback(
  { headers, query, holder }: Pick<StoreRequest, 'headers' | 'query' | 'holder'>,
  { serviceUrls }: Pick<StoreServices, 'serviceUrls'>,
): CallbackPlan | undefined {
  const callback = readParameter('callback', headers['x-oss-callback'], query.get('callback'))
  const variables = readParameter(
    'callback-var',
    headers['x-oss-callback-var'],
    query.get('callback-var'),
  )
  const url = callback?.callbackUrl
  if (!callback || url === '') return undefined
  const template = callback.callbackBody
  if (typeof url !== 'string') throw wrong('callbackUrl is missing.', '0007-00000004')
  if (typeof template !== 'string' || template === '') throw wrong('callbackBody is missing.')
  // The value has no effect, because this store always names the host in a TLS handshake.
  if (!['boolean', 'undefined'].includes(typeof callback.callbackSNI)) {
    throw wrong('callbackSNI is true or false.')
  }
  if ((callback.signatureVersion ?? '1.0') !== '1.0') {
    throw wrong('Only signatureVersion 1.0 is offered.')
  }
  const urls = readUrls(url)
  const host = readHost(callback.callbackHost)
  checkReach({ urls, host }, holder, serviceUrls())
  return {
    urls,
    host,
    template,
    bodyType: readBodyType(callback.callbackBodyType),
    variables: readVariables(variables ?? {}),
  }
}

function readParameter(name: string, header: string | undefined, parameter: string | undefined) {
  if (header !== undefined && parameter !== undefined) {
    throw wrong(`${name} was given both in a header and in the query.`, '0007-00000027')
  }
  const text = header ?? parameter
  if (text === undefined) return undefined
  if (text.length > MAX_PARAMETER_LENGTH) {
    throw wrong(`${name} is longer than 5 KB.`, '0007-00000001')
  }
  const value = parseBase64Object(text)
  if (value) return value
  throw wrong(`${name} must be the base64 of a JSON object.`)
}

function readUrls(text: string): URL[] {
  const urls = text.split(';').map((url) => url.trim())
  if (urls.length > MAX_URLS) throw wrong('More than 5 callback URLs.', '0007-00000005')
  return urls.map((url) => {
    const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`
    if (!URL.canParse(full) || !['http:', 'https:'].includes(new URL(full).protocol)) {
      throw wrong('A callback URL is malformed.', '0007-00000004')
    }
    return new URL(full)
  })
}

function readHost(host: unknown): string | undefined {
  if (host === undefined || host === '') return undefined
  if (typeof host === 'string' && /^[\w.:[\]-]{1,255}$/.test(host)) return host
  throw wrong('callbackHost is not a host.')
}

function readBodyType(value: unknown): CallbackBodyType {
  if (value === undefined || value === '' || value === FORM) return FORM
  if (value === 'application/json') return value
  throw wrong('callbackBodyType must be application/x-www-form-urlencoded or application/json.')
}

function readVariables(parameter: Record<string, unknown>): Map<string, string> {
  const variables = new Map<string, string>()
  for (const [name, value] of Object.entries(parameter)) {
    if (!name.startsWith('x:') || name !== name.toLowerCase()) {
      throw wrong('Names of callback variables start with x: and are lower case.')
    }
    variables.set(name, typeof value === 'string' ? value : JSON.stringify(value))
  }
  return variables
}

/** Does not repeat the value, because it may hold secrets of the caller's server. */
const wrong = (message: string, ec?: string) => invalidArgument('callback', '', message, ec)
