// The routes of a session: parse, call the flow, present. Rules and queries are in uploads/.
import * as contract from '../contract.ts'
import { Problem } from '../core/problem.ts'
import { holderOf } from '../core/reach.ts'
import { abortUpload } from '../uploads/abort.ts'
import { completeUpload } from '../uploads/completion/complete.ts'
import { signDirectCompletion } from '../uploads/completion/direct.ts'
import { copyParts } from '../uploads/copies.ts'
import { createUpload } from '../uploads/create.ts'
import { findToComplete, findUpload } from '../uploads/find.ts'
import { handOut } from '../uploads/hand-out.ts'
import { listUploads } from '../uploads/list.ts'
import { presignPartsFor } from '../uploads/parts.ts'
import { readObject } from '../uploads/read-object.ts'
import { uploadStatus } from '../uploads/status.ts'
import type { Request } from './environment.ts'
import { presentCreated, presentSession, presentSigned, presentStatus } from './present-upload.ts'
import { type Api, route } from './route.ts'

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/
const NO_STORE = { 'cache-control': 'no-store' }

function idempotencyKey(c: Request): string | undefined {
  const key = c.req.header('idempotency-key')
  if (key === undefined || IDEMPOTENCY_KEY.test(key)) return key
  throw new Problem('invalid-request', {
    detail: 'Idempotency-Key has 1 to 255 printable ASCII characters without spaces.',
  })
}

export function uploadRoutes(api: Api): void {
  route(api, {
    method: 'post',
    path: '/v1/uploads',
    summary: 'Create an upload, or find the unfinished one of the same file',
    credentials: ['owner'],
    body: contract.createUpload,
    answers: { 200: contract.createdUpload, 201: contract.createdUpload },
    headers: NO_STORE,
    handle: async (c, { services, credential, body }) => {
      const created = await createUpload(services, credential, body, idempotencyKey(c))
      c.header('location', `${services.publicUrl()}/v1/uploads/${created.session.id}`)
      const status = created.kind === 'created' ? 201 : 200
      return c.json(presentCreated(created, services.clock()), status)
    },
  })

  route(api, {
    method: 'get',
    path: '/v1/uploads',
    summary: 'Uploads of the caller (with an api key: of the app), newest first',
    credentials: ['owner'],
    query: contract.listUploadsQuery,
    answers: { 200: contract.uploadList },
    handle: async (c, { services, credential, query }) => {
      const found = await listUploads(services, credential, query)
      return c.json({
        uploads: found.map(presentSession),
        nextCursor: found.length === query.limit ? found.at(-1)?.id : undefined,
      })
    },
  })

  route(api, {
    method: 'post',
    path: '/v1/uploads/{id}/parts',
    summary: 'Sign URLs for parts',
    credentials: ['uploadToken'],
    body: contract.presignParts,
    answers: { 200: contract.signedParts },
    headers: NO_STORE,
    handle: (c, { services, credential, params, body }) =>
      c.json(presentSigned(presignPartsFor(services, credential, params.id, body))),
  })

  // For the owner's own credential only, never an upload token.
  route(api, {
    method: 'post',
    path: '/v1/uploads/{id}/copies',
    summary: 'Copy parts from a completed upload of the same owner',
    credentials: ['owner'],
    body: contract.copyParts,
    answers: { 200: contract.copiedParts },
    handle: async (c, { services, credential, params, body }) =>
      c.json(await copyParts(services, credential, params.id, body.source, body.parts)),
  })

  route(api, {
    method: 'get',
    path: '/v1/uploads/{id}',
    summary: 'What is stored, what is missing; heals a lost storage upload',
    credentials: ['uploadToken', 'owner'],
    query: contract.statusQuery,
    answers: { 200: contract.uploadStatus },
    headers: NO_STORE,
    handle: async (c, { services, credential, params, query }) => {
      const found = await findUpload(services, credential, params.id)
      const page =
        query.parts === 'true'
          ? { after: Number(query.cursor ?? 0), limit: query.limit }
          : undefined
      const status = await uploadStatus(services, found, page)
      const handout = await handOut(services, credential, status.session)
      return c.json(presentStatus(status, handout, services.clock()))
    },
  })

  route(api, {
    method: 'post',
    path: '/v1/uploads/{id}/complete',
    summary: 'Complete an upload, or sign its direct completion',
    credentials: ['completionToken', 'apiKey'],
    body: contract.completeUpload,
    bodyIsOptional: true,
    answers: { 200: contract.completedUpload, 202: contract.completedUpload },
    headers: NO_STORE,
    handle: async (c, { services, credential, params: { id }, body: { mode, ...input } }) => {
      const session = await findToComplete(services, credential, id)
      if (mode === 'direct') {
        const holder = holderOf(credential)
        const direct = await signDirectCompletion(services, session, input, holder)
        return c.json({ direct: presentSigned(direct) })
      }
      const outcome = await completeUpload(services, session, input)
      if (outcome.state === 'completed') return c.json(presentSession(outcome))
      c.header('retry-after', '2')
      return c.json({ id, state: 'completing' as const }, 202)
    },
  })

  route(api, {
    method: 'get',
    path: '/v1/uploads/{id}/object',
    summary: 'Redirects to a short-lived signed GET of the completed object',
    credentials: ['owner', 'uploadToken'],
    answers: { 302: 'To the object, as an attachment' },
    headers: { ...NO_STORE, 'referrer-policy': 'no-referrer' },
    handle: async (c, { services, credential, params }) =>
      c.redirect(await readObject(services, credential, params.id), 302),
  })

  route(api, {
    method: 'delete',
    path: '/v1/uploads/{id}',
    summary: 'Abort an upload and give back what it holds',
    credentials: ['uploadToken', 'owner'],
    answers: { 200: contract.abortedUpload },
    handle: async (c, { services, credential, params }) => {
      const session = await findUpload(services, credential, params.id)
      const { id } = await abortUpload(services, session)
      return c.json({ id, state: 'aborted' as const })
    },
  })
}
