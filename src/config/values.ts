// The kinds of values that variables hold: how each is written, and what is wrong with one that is not.
import { z } from 'zod'
import { fromBase64url } from '../bytes/encoding.ts'

const MIN_MASTER_BYTES = 32

export const flag = z.enum(['true', 'false']).transform((text) => text === 'true')
export const port = z.coerce.number().int().min(0).max(65_535)
export const httpUrl = z
  .url({
    protocol: /^https?$/,
    error: 'must be an http or https URL such as https://uploads.example.com',
  })
  .transform((url) => url.replace(/\/+$/, ''))

export const secretKeys = z.string().transform((text, context) => {
  const keys = text.split(',').map((entry) => {
    const [kid = '', encoded = '', ...rest] = entry.trim().split(':')
    const secret = fromBase64url(encoded)
    if (!/^[\w-]{1,32}$/.test(kid) || !secret || secret.length < MIN_MASTER_BYTES || rest.length) {
      context.addIssue({
        code: 'custom',
        message: `must list kid:base64url with at least ${MIN_MASTER_BYTES} random bytes each, separated by commas`,
      })
    }
    return { kid, secret: secret ?? new Uint8Array() }
  })
  const kids = keys.map(({ kid }) => kid)
  if (new Set(kids).size < kids.length) {
    context.addIssue({ code: 'custom', message: 'must give each key a kid of its own' })
  }
  return keys
})

/** A URL, or the kind of OSS endpoint, which follows from the region. */
export const endpoint = z.union(
  [z.enum(['public', 'internal', 'dual-stack', 'accelerate', 'accelerate-overseas']), httpUrl],
  'must be a URL, or one of public, internal, dual-stack, accelerate, accelerate-overseas',
)
/** Clients are handed it: not Alibaba's internal hosts, and https where Alibaba serves it. */
export const publicEndpoint = endpoint.refine(
  (text) => text !== 'internal' && !/-internal\.aliyuncs\.com$|^http:.*\.aliyuncs\.com$/.test(text),
  'must be one that clients reach, over https: not an internal endpoint',
)
export const time = z.iso.datetime('must be a time in UTC such as 2026-01-31T12:00:00Z')
export const addressing = z.enum(['virtual', 'path', 'cname'])
