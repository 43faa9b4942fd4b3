// Copying parts from an earlier upload of the same owner: for the owner's own credential only, never an upload token.
import * as contract from '../contract.ts'
import { mayCopyFrom } from '../core/reach.ts'
import { copyParts } from '../uploads/copies.ts'
import { principalFor } from './authenticate.ts'
import { readJson } from './body.ts'
import { type Api, route } from './route.ts'
import { sessionFor } from './session.ts'

export function copyRoutes(api: Api): void {
  route(
    api,
    {
      method: 'post',
      path: '/v1/uploads/{id}/copies',
      summary: 'Copy parts from a completed upload of the same owner',
      security: ['owner'],
      body: contract.copyParts,
      answers: { 200: contract.copiedParts },
    },
    async (c) => {
      const principal = await principalFor(c)
      const { source, parts } = await readJson(c, contract.copyParts)
      const session = await sessionFor(c, principal)
      const services = c.get('services')
      const found = await services.uploads.find(principal.appId, source)
      const own = found && mayCopyFrom(principal, found, services.clock()) ? found : undefined
      return c.json(await copyParts(services, session, own, parts))
    },
  )
}
