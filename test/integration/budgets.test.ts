// What a request and a run may cost, counted where it leaves the service: statements, store calls, webhooks.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { budgetOf, keeping } from '../../src/core/budget.ts'
import { deliverDue } from '../../src/delivery/deliver.ts'
import { sweep } from '../../src/uploads/sweep.ts'
import { type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'
import { startReceiver } from '../support/receiver.ts'

const KiB = 1024
const RUN = 120

let harness: Harness
let app: Awaited<ReturnType<Harness['createApp']>>

beforeAll(async () => {
  harness = await startHarness()
  app = await harness.createApp()
})
afterAll(() => harness.stop())

const create = () =>
  harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: 150 * KiB,
    partSizeBytes: 100 * KiB,
  })

async function costOf<Value>(act: () => Promise<Value>) {
  const before = { ...harness.counts }
  await act()
  return {
    statements: harness.counts.statements - before.statements,
    storeCalls: harness.counts.storeCalls - before.storeCalls,
  }
}

describe('a request', () => {
  it('that signs parts makes no statement and no store call', async () => {
    const { body } = await create()
    const cost = await costOf(async () => {
      const path = `/v1/uploads/${body.id}/parts`
      const signed = await harness.call('POST', path, body.uploadToken, { partNumbers: [1, 2] })
      expect(signed.body.parts).toHaveLength(2)
    })

    expect(cost).toEqual({ statements: 0, storeCalls: 0 })
  })

  it('that completes makes three store calls: the list, the completion, HEAD', async () => {
    const { body } = await create()
    const bytes = someBytes(150 * KiB)
    for (const part of body.parts) await putPart(part, bytes, 100 * KiB)

    const cost = await costOf(async () => {
      const path = `/v1/uploads/${body.id}/complete`
      const completed = await harness.call('POST', path, body.completionToken, {})
      expect(completed.body.state).toBe('completed')
    })

    expect(cost.storeCalls).toBe(3)
  })
})

describe('a run within a budget', () => {
  it('sweeps what it allows and leaves the rest to the next, which takes the oldest first', async () => {
    const created = await Promise.all(Array.from({ length: 40 }, create))
    const ids = created.map(({ body }) => body.id as string)
    harness.advance({ hours: 25 })
    const unsettled = async () => {
      const found = await Promise.all(ids.map((id) => harness.services.uploads.find(app.id, id)))
      return found.filter((session) => !session?.storageReleasedAt).length
    }

    const costs: number[] = []
    const left: number[] = []
    do {
      const { statements, storeCalls } = await costOf(() => sweep(harness.within(budgetOf(RUN))))
      costs.push(statements + storeCalls)
      left.push(await unsettled())
      harness.advance({ minutes: 1 })
    } while (left.at(-1)! > 0 && costs.length < 40)

    expect(left.at(-1)).toBe(0)
    expect(costs.length).toBeGreaterThan(2)
    expect(Math.max(...costs)).toBeLessThanOrEqual(RUN)
  })

  it('delivers what it allows, and what it has to keep back for others stays', async () => {
    const receiver = await startReceiver()
    const endpoint = { url: receiver.url, events: ['upload.created'] }
    await harness.call('POST', '/v1/webhook-endpoints', app.apiKey, endpoint)
    await Promise.all(Array.from({ length: 50 }, create))
    const budget = budgetOf(RUN)
    const services = harness.within(budget)

    const attempts = await deliverDue({ ...services, budget: keeping(budget, 60) })
    expect(attempts).toBeGreaterThan(5)
    expect(budget.left).toBeGreaterThanOrEqual(60)
    while (receiver.received.length < 50) {
      const run = budgetOf(RUN)
      await deliverDue(harness.within(run))
    }

    const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
    expect(new Set(ids).size).toBe(50)
    expect(receiver.received).toHaveLength(50)
    await receiver.stop()
  })
})
