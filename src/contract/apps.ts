// Bodies of an App's settings: policies, issuers, grants, webhook endpoints.
import { z } from '@hono/zod-openapi'
import { WEBHOOK_EVENT_TYPES } from '../core/event.ts'
import { MAX_UPLOADS_OF_A_GRANT } from '../core/principal.ts'
import { count, cursor, isoDate, limit, named, plain, policyNameSchema, subject } from './fields.ts'
import { policySchema } from './policy.ts'

export const createApp = z
  .strictObject({
    name: plain(100),
    policy: policySchema.nullable().optional(),
    keyPrefix: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/)
      .max(128)
      .optional(),
    allowedOrigins: z.array(z.string().max(255)).max(50).optional(),
  })
  .openapi('CreateApp')

export const createdApp = named('App', {
  id: z.string(),
  name: z.string(),
  keyPrefix: z.string(),
  apiKey: z.string(),
})

export const appList = named('AppList', {
  apps: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      keyPrefix: z.string(),
      allowedOrigins: z.array(z.string()),
    }),
  ),
  nextCursor: z.string().optional(),
})

export const storedPolicy = named('NamedPolicy', { name: z.string(), policy: policySchema })

const algorithm = z.enum([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'HS256',
  'HS384',
  'HS512',
])

/** zod's record drops a key of this name, and would silently drop its condition. */
const LOST = '__proto__'

const claims = z
  .unknown()
  .refine(
    (value) => !(value instanceof Object && Object.hasOwn(value, LOST)),
    `must not name ${LOST}`,
  )
  .pipe(
    z
      .record(plain(255), z.array(plain(255)).min(1).max(100))
      .refine((named) => Object.keys(named).length <= 20, 'must name at most 20 claims'),
  )
  .openapi({
    description:
      'Every named claim must match one of its patterns: the whole value, case-sensitive, where * is any run of characters. A list ' +
      'matches if one entry does; an absent claim or an object never. An issuer that everybody shares (GitHub Actions, GitLab, ' +
      'Google) needs one that names its owner.',
    type: 'object',
    additionalProperties: { type: 'array', items: { type: 'string' } },
    example: { repository: ['acme/*'] },
  })

export const createIssuer = z
  .strictObject({
    issuer: plain(512),
    audience: plain(512),
    jwksUrl: z.string().max(2048).optional(),
    publicKeys: z.array(z.record(z.string(), z.unknown())).min(1).max(20).optional(),
    secret: z.string().min(32, 'must have at least 32 characters').max(1024).optional(),
    algorithms: z.array(algorithm).min(1).max(13),
    policies: z.array(policyNameSchema).min(1).max(100).default(['default']),
    subjectClaim: plain(64).default('sub'),
    subjectPrefix: plain(254, 0)
      .optional()
      .openapi({
        description:
          'Stands in front of the claim: the two together are the subject, of 255 characters at most. Default: the issuer’s id and a ' +
          'colon, so that equal claims of two issuers are two owners. An empty one joins all issuers of the app on purpose.',
      }),
    policyClaim: plain(64).optional(),
    claims: claims.optional(),
  })
  .refine(
    ({ jwksUrl, publicKeys, secret }) =>
      [jwksUrl, publicKeys, secret].filter((key) => key !== undefined).length === 1,
    'needs exactly one of jwksUrl, publicKeys and secret',
  )
  .refine(
    ({ secret, algorithms }) =>
      algorithms.every((name) => name.startsWith('HS') === (secret !== undefined)),
    { path: ['algorithms'], message: 'HS* go with a secret, all others with public keys' },
  )
  .openapi('CreateIssuer')

export const createdIssuer = named('Issuer', {
  id: z.string(),
  issuer: z.string(),
  audience: z.string(),
  algorithms: z.array(z.string()),
  policies: z.array(z.string()),
  subjectClaim: z.string(),
  subjectPrefix: z.string(),
  policyClaim: z.string().optional(),
  claims: z.record(z.string(), z.array(z.string())).optional(),
})

export const createEndpoint = z
  .strictObject({
    url: z.string().min(1).max(2048),
    events: z.array(z.enum(WEBHOOK_EVENT_TYPES)).min(1).max(50).optional(),
  })
  .openapi('CreateWebhookEndpoint')

export const createdEndpoint = named('WebhookEndpoint', {
  id: z.string(),
  url: z.string(),
  events: z.array(z.string()).optional(),
  secret: z.string().openapi({ example: 'whsec_…' }),
})

export const createGrant = z
  .strictObject({
    subject,
    policy: policyNameSchema.optional(),
    use: z.enum(['api', 'uppy', 'credentials']).default('api'),
    ttlSeconds: z.int().min(1).max(86_400).default(900),
    maxUploads: count.default(MAX_UPLOADS_OF_A_GRANT),
    maxBytes: z.int().min(0).optional(),
    completion: z.enum(['client', 'backend']).optional(),
    reach: z.literal('own').optional().openapi({
      description:
        'Only uploads that this grant creates. Without it, it also reaches unfinished ones of its subject under its policy',
    }),
  })
  .openapi('CreateGrant')

export const createdGrant = named('Grant', {
  id: z.string(),
  grant: z.string(),
  expiresAt: isoDate,
})

export const revokeGrantQuery = z.strictObject({
  abort: z.enum(['true', 'false']).optional().openapi({
    description: '`true` also aborts uploads that the grant created and that are open',
  }),
})

export const revokedGrant = named('RevokedGrant', {
  id: z.string(),
  revoked: z.literal(true),
  aborted: z.int().optional(),
})

export const pageQuery = z.strictObject({ limit, cursor })
