// Kinds of values of variables.
import { z } from 'zod'
import { fromBase64url } from '../bytes/encoding.ts'

const MIN_MASTER_BYTES = 32

export const flag = z.enum(['true', 'false']).transform((text) => text === 'true')
export const port = z.coerce.number().int().min(0).max(65_535)

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
