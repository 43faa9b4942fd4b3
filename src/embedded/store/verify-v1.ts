// Verifies signature V1, which official clients still use by default: header `OSS <id>:<signature>`, or a URL with
// OSSAccessKeyId, Expires and Signature. Source: Alibaba Cloud OSS, "Include signatures in the Authorization header" (V1).
import { createHmac } from 'node:crypto'
import { equalInConstantTime, hex, utf8 } from '../../bytes/encoding.ts'
import { oss1StringToSign } from '../../signing/oss1.ts'
import type { Verified } from './claim.ts'
import { refusal } from './refusal.ts'
import type { Keyring } from './sts/keyring.ts'
import type { WireRequest } from './wire.ts'

const SKEW_MS = 15 * 60 * 1000
const URL_NAMES = ['OSSAccessKeyId', 'Expires', 'Signature']

export interface V1Options {
  keyring: Keyring
  clock: () => Date
}

interface Claim {
  accessKeyId: string
  signature: string
  /** What is signed as the date: the header's text, or the Unix time at which the URL expires. */
  date: string
}

export const isV1Header = (authorization: string): boolean => authorization.startsWith('OSS ')
export const isV1Url = (query: WireRequest['query']): boolean =>
  URL_NAMES.some((name) => query.has(name))

/** Returns a function that gives what a right signature proves, or throws a refusal. */
export function v1Verifier({ keyring, clock }: V1Options) {
  return function verify(request: WireRequest): Verified {
    const { authorization } = request.headers
    const claim =
      authorization === undefined
        ? readUrl(request.query, clock())
        : readHeader(authorization, request.headers, clock())
    const token =
      authorization === undefined
        ? request.query.get('security-token')
        : // The Python SDK v2 sends it under its URL's name, and does not sign it.
          (request.headers['x-oss-security-token'] ?? request.headers['security-token'])
    const holder = keyring.holder(claim.accessKeyId, token)
    const query = [...request.query].filter(([name]) => !URL_NAMES.includes(name))
    const { method, headers } = request
    const attempts = request.addresses.map((address) => {
      const toSign = oss1StringToSign({ method, headers, query, ...address }, claim.date)
      const signature = createHmac('sha1', holder.secretAccessKey).update(toSign).digest('base64')
      return { address, toSign, right: equalInConstantTime(signature, claim.signature) }
    })
    const found = attempts.find(({ right }) => right)
    if (found) return { address: found.address, holder }
    throw mismatch(claim, attempts[0]!.toSign)
  }
}

function readHeader(authorization: string, headers: WireRequest['headers'], now: Date): Claim {
  const match = /^OSS ([^:\s]+):([A-Za-z0-9+/]+={0,2})$/.exec(authorization.trim())
  if (!match) {
    throw refusal('InvalidArgument', { message: 'The Authorization header is malformed.' })
  }
  const date = headers['x-oss-date'] ?? headers.date ?? ''
  const time = Date.parse(date)
  if (Number.isNaN(time)) {
    const message = 'OSS authentication requires a valid Date.'
    throw refusal('AccessDenied', { message, ec: '0002-00000503' })
  }
  if (Math.abs(now.getTime() - time) > SKEW_MS) {
    throw refusal('RequestTimeTooSkewed', {
      ec: '0002-00000504',
      elements: {
        MaxAllowedSkewMilliseconds: String(SKEW_MS),
        RequestTime: date,
        ServerTime: now.toISOString(),
      },
    })
  }
  return { accessKeyId: match[1]!, signature: match[2]!, date }
}

/** Expiry is checked before the signature. */
function readUrl(query: WireRequest['query'], now: Date): Claim {
  const [accessKeyId, date, signature] = URL_NAMES.map((name) => query.get(name))
  if (!accessKeyId || !date || !signature || !/^\d{1,12}$/.test(date)) {
    const message = 'OSSAccessKeyId, Expires and Signature are all needed.'
    throw refusal('AccessDenied', { message })
  }
  if (Number(date) * 1000 < now.getTime()) {
    throw refusal('AccessDenied', { message: 'Request has expired.' })
  }
  return { accessKeyId, date, signature }
}

const mismatch = ({ accessKeyId, signature }: Claim, toSign: string) =>
  refusal('SignatureDoesNotMatch', {
    ec: '0002-00000040',
    elements: {
      OSSAccessKeyId: accessKeyId,
      SignatureProvided: signature,
      StringToSign: toSign,
      StringToSignBytes: hex(utf8(toSign))
        .toUpperCase()
        .replace(/(..)(?=.)/g, '$1 '),
    },
  })
