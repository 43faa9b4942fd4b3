// The routes of an App's settings: policies and issuers for the operator, grants and webhook endpoints for the App's backend.
import { newApiKey } from '../auth/api-key.ts'
import * as contract from '../contract.ts'
import { objectHeaderFaults } from '../core/object-headers.ts'
import { POLICY_DEFAULTS, type Policy, standardPolicy } from '../core/policy.ts'
import { Problem } from '../core/problem.ts'
import { requireOwner } from '../core/shared-issuers.ts'
import { webhookSecret } from '../delivery/targets/standard-webhooks.ts'
import { checkUrl } from '../delivery/url-guard.ts'
import { createGrant } from '../uploads/grant.ts'
import { revokeGrant } from '../uploads/revoke.ts'
import type { RequestServices } from './environment.ts'
import { noSuch } from './problem.ts'
import { type Api, route } from './route.ts'

const WEBHOOK_SECRET_BYTES = 32

function checkTarget({ allowPrivateTargets }: RequestServices, url: string): void {
  const checked = checkUrl(url, { allowPrivate: allowPrivateTargets })
  if ('url' in checked) return
  throw new Problem('url-not-allowed', { detail: `The URL cannot be used: ${checked.reason}.` })
}

/** Throws `invalid-request` for a store that is not configured, or that cannot do what the policy wants. */
function checkStore(
  { hasStore, storeNamed }: RequestServices,
  { store: name, processing, object = {} }: Policy,
  pointer = '',
): void {
  const fault = (field: string, reason: string) =>
    new Problem('invalid-request', {
      detail: `${field}: ${reason}`,
      members: { errors: [{ pointer: `${pointer}/${field}`, detail: reason }] },
    })
  if (name !== undefined && !hasStore(name)) {
    throw fault('store', `no store named "${name}" is configured`)
  }
  const store = name ?? POLICY_DEFAULTS.store
  if (processing?.length && hasStore(store) && !storeNamed(store).process) {
    throw fault('processing', `the store "${store}" does not process`)
  }
  if (!hasStore(store)) return
  const [first] = objectHeaderFaults(object, storeNamed(store).objectHeaderRules)
  if (first) throw fault(`object/${first.path.join('/')}`, first.message)
}

export function appRoutes(api: Api): void {
  route(api, {
    method: 'post',
    path: '/v1/apps',
    summary: 'Create an app and its first api key',
    credentials: 'admin',
    body: contract.createApp,
    answers: { 201: contract.createdApp },
    handle: async (c, { services, body }) => {
      if (body.policy) checkStore(services, body.policy, '/policy')
      const { apps, newId, randomBytes, clock, embedded } = services
      const id = newId('app')
      const { apiKey, hash } = newApiKey(id, randomBytes)
      const { name, keyPrefix = id, allowedOrigins = ['*'] } = body
      const standard = standardPolicy({ readBack: embedded })
      const policy = body.policy === null ? undefined : (body.policy ?? standard)
      const app = { id, name, keyPrefix, allowedOrigins }
      await apps.createApp(app, { keyId: newId('key'), hash }, policy, clock())
      return c.json({ id, name, keyPrefix, apiKey }, 201)
    },
  })

  route(api, {
    method: 'get',
    path: '/v1/apps',
    summary: 'Apps with their key prefixes and origins, newest first',
    credentials: 'admin',
    query: contract.pageQuery,
    answers: { 200: contract.appList },
    handle: async (c, { services, query }) => {
      const found = await services.apps.listApps(query)
      return c.json({
        apps: found.map(({ id, name, keyPrefix, allowedOrigins }) => ({
          id,
          name,
          keyPrefix,
          allowedOrigins,
        })),
        nextCursor: found.length === query.limit ? found.at(-1)?.id : undefined,
      })
    },
  })

  route(api, {
    method: 'put',
    path: '/v1/apps/{id}/policies/{name}',
    summary: 'Set a policy of an app',
    credentials: 'admin',
    params: { name: contract.policyNameSchema },
    body: contract.policySchema,
    answers: { 200: contract.storedPolicy },
    handle: async (c, { services, params: { id, name }, body: policy }) => {
      checkStore(services, policy)
      const stored = await services.apps.putPolicy(id, name, policy, services.clock())
      if (!stored) throw noSuch('app')
      return c.json({ name, policy })
    },
  })

  route(api, {
    method: 'post',
    path: '/v1/apps/{id}/issuers',
    summary: 'Trust an issuer of user JWTs',
    credentials: 'admin',
    body: contract.createIssuer,
    answers: { 201: contract.createdIssuer },
    handle: async (c, { services, params: { id: appId }, body }) => {
      if (body.jwksUrl !== undefined) checkTarget(services, body.jwksUrl)
      requireOwner(body.issuer, body.claims)
      const { apps, clock, newId } = services
      if (!(await apps.findApp(appId))) throw noSuch('app')
      const issuerId = newId('iss')
      const { subjectPrefix = `${issuerId}:` } = body
      await apps.createIssuer({ ...body, appId, issuerId, subjectPrefix }, clock())
      const { secret: _, publicKeys: __, jwksUrl: ___, ...shown } = body
      return c.json({ id: issuerId, ...shown, subjectPrefix }, 201)
    },
  })

  route(api, {
    method: 'post',
    path: '/v1/grants',
    summary: 'Mint a grant for a client',
    credentials: ['apiKey'],
    body: contract.createGrant,
    answers: { 201: contract.createdGrant },
    handle: async (c, { services, credential, body: { policy = 'default', ...terms } }) => {
      const created = await createGrant(services, credential.appId, { policy, ...terms })
      return c.json({ ...created, expiresAt: created.expiresAt.toISOString() }, 201)
    },
  })

  route(api, {
    method: 'delete',
    path: '/v1/grants/{id}',
    summary: 'Revoke a grant, and abort what is open under it where asked',
    credentials: ['apiKey'],
    query: contract.revokeGrantQuery,
    answers: { 200: contract.revokedGrant },
    handle: async (c, { services, credential, params: { id }, query }) => {
      const abort = query.abort === 'true'
      const aborted = await revokeGrant(services, credential.appId, id, { abort })
      if (aborted === undefined) throw noSuch('grant')
      return c.json({ id, revoked: true, ...(abort ? { aborted } : {}) })
    },
  })

  route(api, {
    method: 'post',
    path: '/v1/webhook-endpoints',
    summary: 'Register a webhook endpoint',
    credentials: ['apiKey'],
    body: contract.createEndpoint,
    answers: { 201: contract.createdEndpoint },
    handle: async (c, { services, credential: { appId }, body: { url, events } }) => {
      checkTarget(services, url)
      const { deliveries, newId, randomBytes, clock } = services
      const id = newId('whe')
      const secret = webhookSecret(randomBytes(WEBHOOK_SECRET_BYTES))
      await deliveries.createEndpoint({ appId, id, url, events, secret }, clock())
      return c.json({ id, url, events, secret }, 201)
    },
  })
}
