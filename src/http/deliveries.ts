// The outbox as an App's backend sees it: what an endpoint or an upload is owed, every attempt, and once more on demand.
import * as contract from '../contract.ts'
import type { Attempt, Delivery } from '../core/ports/deliveries.ts'
import { Problem } from '../core/problem.ts'
import type { ProcessingTask } from '../core/processing.ts'
import { credentialFor } from './authenticate.ts'
import { readQuery } from './body.ts'
import { type Api, route } from './route.ts'

type Listed = Delivery & { attempts: Attempt[] }

function processingOf({ target, body, progress }: Delivery) {
  if (target === 'webhook') return undefined
  const { rule, name, key } = JSON.parse(body) as ProcessingTask // Written by us, at creation.
  return { rule, name, key, taskId: progress?.taskId }
}

const present = (found: Listed[], limit: number) => ({
  deliveries: found.map((delivery) => ({
    id: delivery.id,
    eventId: delivery.eventId,
    type: delivery.type,
    target: delivery.target,
    endpointId: delivery.endpointId,
    processing: processingOf(delivery),
    state: delivery.state,
    nextAttemptAt: delivery.nextAttemptAt?.toISOString(),
    attempts: delivery.attempts.map(({ at, ...rest }) => ({ at: at.toISOString(), ...rest })),
  })),
  nextCursor: found.length === limit ? found.at(-1)?.id : undefined,
})

export function deliveryRoutes(api: Api): void {
  route(
    api,
    {
      method: 'get',
      path: '/v1/webhook-endpoints/{id}/deliveries',
      summary: 'Deliveries of an endpoint with their attempts, newest first',
      security: ['apiKey'],
      query: contract.pageQuery,
      answers: { 200: contract.deliveryList },
    },
    async (c) => {
      const { appId } = await credentialFor(c, 'api-key')
      const page = readQuery(c, contract.pageQuery)
      const { deliveries } = c.get('services')
      const endpointId = c.req.param('id') ?? ''
      if (!(await deliveries.findEndpoint(appId, endpointId))) {
        throw new Problem('not-found', { detail: 'There is no such webhook endpoint.' })
      }
      return c.json(present(await deliveries.list(appId, { endpointId }, page), page.limit))
    },
  )

  route(
    api,
    {
      method: 'get',
      path: '/v1/uploads/{id}/deliveries',
      summary: 'What an upload is owed, webhooks and processing, with all attempts, newest first',
      security: ['apiKey'],
      query: contract.pageQuery,
      answers: { 200: contract.deliveryList },
    },
    async (c) => {
      const { appId } = await credentialFor(c, 'api-key')
      const page = readQuery(c, contract.pageQuery)
      const { deliveries, uploads } = c.get('services')
      const uploadId = c.req.param('id') ?? ''
      if (!(await uploads.find(appId, uploadId))) {
        throw new Problem('upload-not-found', { detail: 'There is no such upload of this app.' })
      }
      return c.json(present(await deliveries.list(appId, { uploadId }, page), page.limit))
    },
  )

  route(
    api,
    {
      method: 'post',
      path: '/v1/deliveries/{id}/replay',
      summary: 'Deliver an event once more (same id, same bytes), or process once more',
      security: ['apiKey'],
      answers: { 202: contract.replayed },
    },
    async (c) => {
      const { appId } = await credentialFor(c, 'api-key')
      const { deliveries, clock, nudgeDeliveries } = c.get('services')
      const id = c.req.param('id') ?? ''
      if (!(await deliveries.replay(appId, id, clock()))) {
        throw new Problem('not-found', { detail: 'There is no such delivery.' })
      }
      nudgeDeliveries()
      return c.json({ id }, 202)
    },
  )
}
