// Apps and what belongs to them: policies and issuers for the admin, grants and webhook endpoints for the app's backend.
import { newApiKey } from '../auth/api-key.ts'
import * as contract from '../contract.ts'
import { POLICY_DEFAULTS, type Policy, standardPolicy } from '../core/policy.ts'
import { Problem } from '../core/problem.ts'
import { requireOwner } from '../core/shared-issuers.ts'
import { mintToken } from '../core/token.ts'
import { webhookSecret } from '../delivery/targets/standard-webhooks.ts'
import { checkUrl } from '../delivery/url-guard.ts'
import { revokeGrant } from '../uploads/revoke.ts'
import { credentialFor, requireAdmin } from './authenticate.ts'
import { readJson, readQuery, validate } from './body.ts'
import type { Request } from './environment.ts'
import { type Api, route } from './route.ts'

const WEBHOOK_SECRET_BYTES = 32

function checkTarget(c: Request, url: string): void {
  const checked = checkUrl(url, { allowPrivate: c.get('services').allowPrivateTargets })
  if ('url' in checked) return
  throw new Problem('url-not-allowed', { detail: `The URL cannot be used: ${checked.reason}.` })
}

/** The store that a policy names has to be there, and has to process where the policy wants it to. */
function checkStore(c: Request, { store: name, processing }: Policy, within = ''): void {
  const { hasStore, storeNamed } = c.get('services')
  const fault = (field: string, reason: string) =>
    new Problem('invalid-request', {
      detail: `${field}: ${reason}`,
      members: { errors: [{ pointer: `${within}/${field}`, detail: reason }] },
    })
  if (name !== undefined && !hasStore(name)) {
    throw fault('store', `no store named "${name}" is configured`)
  }
  const store = name ?? POLICY_DEFAULTS.store
  if (processing?.length && hasStore(store) && !storeNamed(store).process) {
    throw fault('processing', `the store "${store}" does not process`)
  }
}

const noSuch = (what: string) => new Problem('not-found', { detail: `There is no such ${what}.` })

export function appRoutes(api: Api): void {
  route(
    api,
    {
      method: 'post',
      path: '/v1/apps',
      summary: 'Create an app and its first api key',
      security: ['admin'],
      body: contract.createApp,
      answers: { 201: contract.createdApp },
    },
    async (c) => {
      requireAdmin(c)
      const body = await readJson(c, contract.createApp)
      if (body.policy) checkStore(c, body.policy, '/policy')
      const { apps, newId, randomBytes, clock, embedded } = c.get('services')
      const id = newId('app')
      const { apiKey, hash } = newApiKey(id, randomBytes)
      const app = {
        id,
        name: body.name,
        keyPrefix: body.keyPrefix ?? id,
        allowedOrigins: body.allowedOrigins ?? ['*'],
      }
      const standard = standardPolicy({ readBack: embedded })
      const policy = body.policy === null ? undefined : (body.policy ?? standard)
      await apps.createApp(app, { keyId: newId('key'), hash }, policy, clock())
      return c.json({ id, name: app.name, keyPrefix: app.keyPrefix, apiKey }, 201)
    },
  )

  route(
    api,
    {
      method: 'get',
      path: '/v1/apps',
      summary: 'Apps with their key prefixes and origins, newest first',
      security: ['admin'],
      query: contract.pageQuery,
      answers: { 200: contract.appList },
    },
    async (c) => {
      requireAdmin(c)
      const page = readQuery(c, contract.pageQuery)
      const found = await c.get('services').apps.listApps(page)
      return c.json({
        apps: found.map(({ id, name, keyPrefix, allowedOrigins }) => ({
          id,
          name,
          keyPrefix,
          allowedOrigins,
        })),
        nextCursor: found.length === page.limit ? found.at(-1)?.id : undefined,
      })
    },
  )

  route(
    api,
    {
      method: 'put',
      path: '/v1/apps/{id}/policies/{name}',
      summary: 'Set a policy of an app',
      security: ['admin'],
      body: contract.policySchema,
      answers: { 200: contract.storedPolicy },
    },
    async (c) => {
      requireAdmin(c)
      const name = validate(contract.policyNameSchema, c.req.param('name'))
      const policy = await readJson(c, contract.policySchema)
      const { apps, clock } = c.get('services')
      checkStore(c, policy)
      const stored = await apps.putPolicy(c.req.param('id') ?? '', name, policy, clock())
      if (!stored) throw noSuch('app')
      return c.json({ name, policy })
    },
  )

  route(
    api,
    {
      method: 'post',
      path: '/v1/apps/{id}/issuers',
      summary: 'Trust an issuer of user JWTs',
      security: ['admin'],
      body: contract.createIssuer,
      answers: { 201: contract.createdIssuer },
    },
    async (c) => {
      requireAdmin(c)
      const body = await readJson(c, contract.createIssuer)
      if (body.jwksUrl !== undefined) checkTarget(c, body.jwksUrl)
      requireOwner(body.issuer, body.claims)
      const { apps, clock, newId } = c.get('services')
      const appId = c.req.param('id') ?? ''
      if (!(await apps.findApp(appId))) throw noSuch('app')
      const issuerId = newId('iss')
      const { subjectPrefix = `${issuerId}:` } = body
      await apps.createIssuer({ ...body, appId, issuerId, subjectPrefix }, clock())
      const { secret: _, publicKeys: __, jwksUrl: ___, ...shown } = body
      return c.json({ id: issuerId, ...shown, subjectPrefix }, 201)
    },
  )

  route(
    api,
    {
      method: 'post',
      path: '/v1/grants',
      summary: 'Mint a grant for a client',
      security: ['apiKey'],
      body: contract.createGrant,
      answers: { 201: contract.createdGrant },
    },
    async (c) => {
      const { appId } = await credentialFor(c, 'api-key')
      const { ttlSeconds, policy = 'default', ...body } = await readJson(c, contract.createGrant)
      const { apps, clock, newId, tokenKeys } = c.get('services')
      if (!(await apps.findPolicy(appId, policy))?.policy) {
        throw new Problem('policy-not-found', { detail: `The app has no policy "${policy}".` })
      }
      const grantId = newId('grt')
      const expiresAt = new Date(clock().getTime() + ttlSeconds * 1000)
      await apps.createGrant({ appId, grantId, policy, expiresAt, ...body }, clock())
      const grant = await mintToken(tokenKeys, 'grant', {
        app: appId,
        grant: grantId,
        policy,
        ...body,
        exp: Math.floor(expiresAt.getTime() / 1000),
      })
      return c.json({ id: grantId, grant, expiresAt: expiresAt.toISOString() }, 201)
    },
  )

  route(
    api,
    {
      method: 'delete',
      path: '/v1/grants/{id}',
      summary: 'Revoke a grant, and abort what is open under it where asked',
      security: ['apiKey'],
      query: contract.revokeGrantQuery,
      answers: { 200: contract.revokedGrant },
    },
    async (c) => {
      const { appId } = await credentialFor(c, 'api-key')
      const abort = readQuery(c, contract.revokeGrantQuery).abort === 'true'
      const id = c.req.param('id') ?? ''
      const aborted = await revokeGrant(c.get('services'), appId, id, { abort })
      if (aborted === undefined) throw noSuch('grant')
      return c.json({ id, revoked: true, ...(abort ? { aborted } : {}) })
    },
  )

  route(
    api,
    {
      method: 'post',
      path: '/v1/webhook-endpoints',
      summary: 'Register a webhook endpoint',
      security: ['apiKey'],
      body: contract.createEndpoint,
      answers: { 201: contract.createdEndpoint },
    },
    async (c) => {
      const { appId } = await credentialFor(c, 'api-key')
      const { url, events } = await readJson(c, contract.createEndpoint)
      checkTarget(c, url)
      const { deliveries, newId, randomBytes, clock } = c.get('services')
      const endpoint = {
        appId,
        id: newId('whe'),
        url,
        events,
        secret: webhookSecret(randomBytes(WEBHOOK_SECRET_BYTES)),
      }
      await deliveries.createEndpoint(endpoint, clock())
      return c.json({ id: endpoint.id, url, events, secret: endpoint.secret }, 201)
    },
  )
}
