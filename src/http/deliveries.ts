// The outbox for an App's backend: the deliveries of an endpoint or an upload with every attempt, and replays.
import * as contract from '../contract.ts'
import type { Attempt, Delivery } from '../core/ports/deliveries.ts'
import { Problem } from '../core/problem.ts'
import type { ProcessingTask } from '../core/processing.ts'
import { noSuch } from './problem.ts'
import { type Api, route } from './route.ts'

type Listed = Delivery & { attempts: Attempt[] }

function processingOf({ target, body, progress }: Delivery) {
  if (target === 'webhook') return undefined
  const { rule, name, key } = JSON.parse(body) as ProcessingTask // we wrote it when the upload was created
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
  route(api, {
    method: 'get',
    path: '/v1/webhook-endpoints/{id}/deliveries',
    summary: 'Deliveries of an endpoint with their attempts, newest first',
    credentials: ['apiKey'],
    query: contract.pageQuery,
    answers: { 200: contract.deliveryList },
    handle: async (c, { services: { deliveries }, credential: { appId }, params, query }) => {
      const endpointId = params.id
      if (!(await deliveries.findEndpoint(appId, endpointId))) throw noSuch('webhook endpoint')
      return c.json(present(await deliveries.list(appId, { endpointId }, query), query.limit))
    },
  })

  route(api, {
    method: 'get',
    path: '/v1/uploads/{id}/deliveries',
    summary: 'What an upload is owed, webhooks and processing, with all attempts, newest first',
    credentials: ['apiKey'],
    query: contract.pageQuery,
    answers: { 200: contract.deliveryList },
    handle: async (
      c,
      { services: { deliveries, uploads }, credential: { appId }, params, query },
    ) => {
      const uploadId = params.id
      if (!(await uploads.find(appId, uploadId))) {
        throw new Problem('upload-not-found', { detail: 'There is no such upload of this app.' })
      }
      return c.json(present(await deliveries.list(appId, { uploadId }, query), query.limit))
    },
  })

  route(api, {
    method: 'post',
    path: '/v1/deliveries/{id}/replay',
    summary: 'Deliver an event once more (same id, same bytes), or process once more',
    credentials: ['apiKey'],
    answers: { 202: contract.replayed },
    handle: async (c, { services, credential: { appId }, params: { id } }) => {
      const { deliveries, clock, nudgeDeliveries } = services
      if (!(await deliveries.replay(appId, id, clock()))) throw noSuch('delivery')
      nudgeDeliveries()
      return c.json({ id }, 202)
    },
  })
}
