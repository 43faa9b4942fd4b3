// Copies parts from an earlier upload: for the owner's own credential only, never an upload token.
import * as contract from '../contract.ts'
import { copyParts } from '../uploads/copies.ts'
import { type Api, route } from './route.ts'

export function copyRoutes(api: Api): void {
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
}
