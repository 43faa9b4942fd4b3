// The routes of a session: parse, call one flow, present. No rule and no query here.
import * as contract from '../contract.ts'
import { lastPartNumber, type PartPlan, partRange } from '../core/part-plan.ts'
import type { Principal } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { grantOf, grantReach, holderOf, mayReadObject, noSuchUpload } from '../core/reach.ts'
import type { UploadSession } from '../core/upload-session.ts'
import { abortUpload } from '../uploads/abort.ts'
import { completeUpload } from '../uploads/completion/complete.ts'
import { signDirectCompletion } from '../uploads/completion/direct.ts'
import { createUpload } from '../uploads/create.ts'
import { type PresignPartsInput, presignParts } from '../uploads/parts.ts'
import { signObject } from '../uploads/read-object.ts'
import { type UploadStatus, uploadStatus } from '../uploads/status.ts'
import { credentialFor, principalFor } from './authenticate.ts'
import { readJson, readQuery } from './body.ts'
import type { Request } from './environment.ts'
import { FIRST_WINDOW, presentCreated, presentParts, presentStatus } from './present-upload.ts'
import { type Api, route } from './route.ts'
import { sessionFor } from './session.ts'
import { sessionView } from './session-view.ts'

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/

function idempotencyKey(c: Request): string | undefined {
  const key = c.req.header('idempotency-key')
  if (key === undefined || IDEMPOTENCY_KEY.test(key)) return key
  throw new Problem('invalid-request', {
    detail: 'Idempotency-Key has 1 to 255 printable ASCII characters without spaces.',
  })
}

export function uploadRoutes(api: Api): void {
  route(
    api,
    {
      method: 'post',
      path: '/v1/uploads',
      summary: 'Create an upload, or find the unfinished one of the same file',
      security: ['owner'],
      body: contract.createUpload,
      answers: { 200: contract.createdUpload, 201: contract.createdUpload },
    },
    async (c) => {
      const principal = await principalFor(c)
      const body = await readJson(c, contract.createUpload)
      const services = c.get('services')
      const { kind, session, app } = await createUpload(
        services,
        principal,
        body,
        idempotencyKey(c),
      )
      const status =
        kind === 'created'
          ? {
              session,
              missing: [
                [1, Math.min(lastPartNumber(session.plan), FIRST_WINDOW)],
              ] as UploadStatus['missing'],
            }
          : await uploadStatus(services, session)
      const answer = {
        ...(await presentCreated(c, principal, status, app.allowedOrigins)),
        ...('storedParts' in status
          ? {
              storedParts: status.storedParts,
              missing: status.missing,
              healed: status.healed || undefined,
            }
          : {}),
      }
      c.header('location', `${services.publicUrl()}/v1/uploads/${session.id}`)
      c.header('cache-control', 'no-store')
      return c.json(answer, kind === 'created' ? 201 : 200)
    },
  )

  route(
    api,
    {
      method: 'get',
      path: '/v1/uploads',
      summary: 'Uploads of the caller (with an api key: of the app), newest first',
      security: ['owner'],
      query: contract.listUploadsQuery,
      answers: { 200: contract.uploadList },
    },
    async (c) => {
      const principal = await principalFor(c)
      const query = readQuery(c, contract.listUploadsQuery)
      const { uploads, clock } = c.get('services')
      const found = await uploads.list(principal.appId, listFilter(principal, query, clock()))
      return c.json({
        uploads: found.map(sessionView),
        nextCursor: found.length === query.limit ? found.at(-1)?.id : undefined,
      })
    },
  )

  route(
    api,
    {
      method: 'post',
      path: '/v1/uploads/{id}/parts',
      summary: 'Sign URLs for parts',
      security: ['uploadToken'],
      body: contract.presignParts,
      answers: { 200: contract.signedParts },
    },
    async (c) => {
      const { token } = await credentialFor(c, 'upload')
      if (token.upload !== c.req.param('id')) throw noSuchUpload()
      const body = await readJson(c, contract.presignParts)
      c.header('cache-control', 'no-store')
      return c.json(
        presentParts(presignParts(c.get('services'), token, partsInput(token.plan, body))),
      )
    },
  )

  route(
    api,
    {
      method: 'get',
      path: '/v1/uploads/{id}',
      summary: 'What is stored, what is missing; heals a lost storage upload',
      security: ['uploadToken', 'owner'],
      query: contract.statusQuery,
      answers: { 200: contract.uploadStatus },
    },
    async (c) => {
      const credential = await credentialFor(c, 'upload', 'jwt', 'grant', 'api-key')
      const query = readQuery(c, contract.statusQuery)
      const session = await sessionFor(c, credential)
      const page =
        query.parts === 'true'
          ? { after: Number(query.cursor ?? 0), limit: query.limit }
          : undefined
      c.header('cache-control', 'no-store')
      return c.json(
        await presentStatus(c, credential, await uploadStatus(c.get('services'), session, page)),
      )
    },
  )

  route(
    api,
    {
      method: 'post',
      path: '/v1/uploads/{id}/complete',
      summary: 'Complete an upload, or sign its direct completion',
      security: ['completionToken', 'apiKey'],
      body: contract.completeUpload,
      answers: { 200: contract.completedUpload, 202: contract.completedUpload },
    },
    async (c) => {
      const credential = await credentialFor(c, 'completion', 'api-key')
      const id = c.req.param('id') ?? ''
      if (credential.kind === 'completion' && credential.token.upload !== id) {
        throw new Problem('completion-token-invalid', {
          detail: 'This completion token belongs to another upload.',
        })
      }
      const { mode, ...input } = await readJson(c, contract.completeUpload, { optional: true })
      const services = c.get('services')
      const session = await services.uploads.find(credential.appId, id, grantOf(credential))
      if (!session) throw noSuchUpload()
      if (credential.kind === 'completion' && session.policy.completion === 'backend') {
        throw new Problem('forbidden', { detail: 'Only the app’s backend completes this upload.' })
      }
      c.header('cache-control', 'no-store')
      if (mode === 'direct') {
        const { expiresAt, ...signed } = await signDirectCompletion(
          services,
          session,
          input,
          holderOf(credential),
        )
        return c.json({ direct: { ...signed, expiresAt: expiresAt.toISOString() } })
      }
      const reached = await completeUpload(services, session, input)
      if (reached.state === 'completed') return c.json(sessionView(reached))
      c.header('retry-after', '2')
      return c.json({ id, state: 'completing' as const }, 202)
    },
  )

  route(
    api,
    {
      method: 'get',
      path: '/v1/uploads/{id}/object',
      summary: 'Redirects to a short-lived signed GET of the completed object',
      security: ['owner', 'uploadToken'],
      answers: { 302: 'To the object, as an attachment' },
    },
    async (c) => {
      const credential = await credentialFor(c, 'jwt', 'grant', 'api-key', 'upload')
      const session = await sessionFor(c, credential)
      if (!mayReadObject(credential, session)) {
        throw new Problem('forbidden', {
          detail:
            'A grant or an upload token reads an object only where the policy says readBack and the grant created the upload.',
        })
      }
      const url = await signObject(c.get('services'), session)
      c.header('cache-control', 'no-store')
      c.header('referrer-policy', 'no-referrer')
      return c.redirect(url, 302)
    },
  )

  route(
    api,
    {
      method: 'delete',
      path: '/v1/uploads/{id}',
      summary: 'Abort an upload and give back what it holds',
      security: ['uploadToken', 'owner'],
      answers: { 200: contract.abortedUpload },
    },
    async (c) => {
      const credential = await credentialFor(c, 'upload', 'jwt', 'grant', 'api-key')
      const session = await sessionFor(c, credential)
      const aborted = await abortUpload(c.get('services'), session)
      return c.json({ id: aborted.id, state: 'aborted' as const })
    },
  )
}

type ListQuery = {
  subject?: string
  limit: number
  state?: UploadSession['state']
  fingerprint?: string
  cursor?: string
}

function listFilter(principal: Principal, query: ListQuery, now: Date) {
  if (principal.kind === 'api-key') return query
  if (query.subject !== undefined && query.subject !== principal.subject) {
    throw new Problem('forbidden', { detail: 'Only an api key lists the uploads of others.' })
  }
  const reach = principal.kind === 'grant' ? grantReach(principal, now) : undefined
  return { ...query, subject: principal.subject, reach }
}

function partsInput(plan: PartPlan, body: contract.PresignPartsBody): PresignPartsInput {
  const { partNumbers, from = 1, count = 1, ...rest } = body
  return {
    ...rest,
    partNumbers: partNumbers ? [...new Set(partNumbers)] : partRange(plan, from, count),
  }
}
