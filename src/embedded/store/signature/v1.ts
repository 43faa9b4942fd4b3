// Signature V1, which official clients still use by default: header `OSS <id>:<signature>`, or a URL with
// OSSAccessKeyId, Expires and Signature. Source: Alibaba Cloud OSS, "Include signatures in the Authorization header" (V1).
import { createHmac } from 'node:crypto'
import { oss1StringToSign } from '../../../signing/oss1.ts'
import { denied, malformed } from '../refusal.ts'
import type { WireHeaders, WireQuery, WireRequest } from '../wire.ts'
import { checkSkew, matchAddress, type SignatureContext, type Verified } from './match.ts'

const URL_NAMES = ['OSSAccessKeyId', 'Expires', 'Signature']

interface Provided {
  accessKeyId: string
  signature: string
  /** The date as signed: the header's text, or the Unix time at which the URL expires. */
  date: string
}

export const isV1Header = (authorization: string): boolean => authorization.startsWith('OSS ')
export const isV1Url = (query: WireQuery): boolean => URL_NAMES.some((name) => query.has(name))

export const signV1 = (secret: string, toSign: string): string =>
  createHmac('sha1', secret).update(toSign).digest('base64')

export function verifyV1(
  { method, headers, query, addresses }: WireRequest,
  { keyring, clock }: SignatureContext,
): Verified {
  const { authorization } = headers
  const inUrl = authorization === undefined
  const provided = inUrl ? readUrl(query, clock()) : readHeader(authorization, headers, clock())
  const token = inUrl
    ? query.get('security-token')
    : // The Python SDK v2 sends the token under its URL's name, and does not sign it.
      (headers['x-oss-security-token'] ?? headers['security-token'])
  const holder = keyring.holder(provided.accessKeyId, token)
  const unsigned = [...query].filter(([name]) => !URL_NAMES.includes(name))
  return matchAddress(addresses, holder, provided.signature, (address) => {
    const request = { method, headers, query: unsigned, ...address }
    const toSign = oss1StringToSign(request, provided.date)
    return { toSign, signature: signV1(holder.secretAccessKey, toSign) }
  })
}

function readHeader(authorization: string, headers: WireHeaders, now: Date): Provided {
  const match = /^OSS ([^:\s]+):([A-Za-z0-9+/]+={0,2})$/.exec(authorization.trim())
  if (!match) throw malformed('The Authorization header is malformed.')
  const date = headers['x-oss-date'] ?? headers.date ?? ''
  const time = Date.parse(date)
  if (Number.isNaN(time)) {
    throw denied('OSS authentication requires a valid Date.', '0002-00000503')
  }
  checkSkew(date, time, now)
  return { accessKeyId: match[1]!, signature: match[2]!, date }
}

/** Checks the expiry before the signature, as OSS does. */
function readUrl(query: WireQuery, now: Date): Provided {
  const [accessKeyId, date, signature] = URL_NAMES.map((name) => query.get(name))
  if (!accessKeyId || !date || !signature || !/^\d{1,12}$/.test(date)) {
    throw denied('OSSAccessKeyId, Expires and Signature are all needed.')
  }
  if (Number(date) * 1000 < now.getTime()) throw denied('Request has expired.')
  return { accessKeyId, date, signature }
}
