// The cost of a request and of a run, counted as statements, store calls and webhooks leave the service.
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { budgetOf, keeping } from '../../src/core/ports/budget.ts'
import { connect } from '../../src/db/connect.ts'
import { deliverDue } from '../../src/delivery/deliver.ts'
import { sweep } from '../../src/uploads/sweep/sweep.ts'
import { type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'
import { expectNoOrphans, settle } from '../support/invariants.ts'
import { appWith, THUMBNAIL } from '../support/processing/upload.ts'
import { startReceiver } from '../support/receiver.ts'
import { POSTGRES, tap } from '../support/tap.ts'

const KiB = 1024
const RUN = 120

let harness: Harness
let app: Awaited<ReturnType<Harness['createApp']>>

beforeAll(async () => {
  harness = await startHarness({ processing: true })
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

/** Begins storage uploads under a key that no row names. */
const plant = (key: string, count: number) =>
  Promise.all(
    Array.from({ length: count }, () =>
      harness.services.storeNamed('default').initiate({
        key,
        uploadId: 'upl_ffffffffffffffffffffffffffffffff',
        contentType: 'text/plain',
        overwrite: 'replace',
      }),
    ),
  )

/** Runs within the budget, a minute apart, until there is nothing left to do. Returns the cost of each run. */
async function runsUntil(isDone: () => Promise<boolean>, run: () => Promise<unknown>) {
  const costs: number[] = []
  do {
    const { statements, storeCalls } = await costOf(run)
    costs.push(statements + storeCalls)
    harness.advance({ minutes: 1 })
  } while (!(await isDone()) && costs.length < 40)
  expect(await isDone()).toBe(true)
  expect(Math.max(...costs)).toBeLessThanOrEqual(RUN)
  return costs
}

const sweepWithin = (count: number) => () => sweep(harness.within(budgetOf(count)))

async function costOf<Value>(act: () => Promise<Value>) {
  const before = { ...harness.counts }
  await act()
  return {
    statements: harness.counts.statements - before.statements,
    storeCalls: harness.counts.storeCalls - before.storeCalls,
  }
}

describe('the connection', () => {
  it('counts what leaves it, with the beginning and the end of a transaction', async () => {
    const { hostname, port } = new URL(harness.databaseUrl)
    const wire = await tap({ host: hostname, port: Number(port) }, POSTGRES)
    const url = new URL(harness.databaseUrl)
    url.port = String(wire.port)
    let counted = 0
    const { database, close } = connect(url.href, {
      maxConnections: 1,
      onStatement: () => void counted++,
    })

    await database.execute(sql`select 1`)
    await database.transaction((transaction) => transaction.execute(sql`select 2`))
    const refused = database.transaction((transaction) => transaction.execute(sql`select nothing`))
    await expect(refused).rejects.toThrow()
    await close()

    expect(counted).toBe(7)
    expect(wire.traffic()).toEqual({ connections: 1, statements: counted, goodbyes: 1 })
    await wire.close()
  })
})

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

  it('that creates and one that completes each make a fixed number of statements', async () => {
    const bytes = someBytes(150 * KiB)
    let created: Record<string, any> = {}
    const creating = await costOf(async () => {
      created = (await create()).body
    })
    for (const part of created.parts) await putPart(part, bytes, 100 * KiB)
    const completing = await costOf(() =>
      harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, {}),
    )

    const { body: grant } = await harness.call('POST', '/v1/grants', app.apiKey, { subject: 'ada' })
    const granted = await costOf(() =>
      harness.call('POST', '/v1/uploads', grant.grant, { filename: 'a.bin', sizeBytes: 10 }),
    )

    // The policy, the reservation, the opening. A grant needs no look-up, because it is its own credential.
    expect(granted.statements).toBe(3)
    // The api key, the policy, the reservation, the opening. The session, its claim, its end.
    expect([creating.statements, completing.statements]).toEqual([4, 3])
  })

  it('of a grant, or with a token that it was handed, asks of its revocation in the statements that run anyway', async () => {
    const { body: grant } = await harness.call('POST', '/v1/grants', app.apiKey, { subject: 'ada' })
    const bytes = someBytes(150 * KiB)
    const { body: created } = await harness.call('POST', '/v1/uploads', grant.grant, {
      filename: 'a.bin',
      sizeBytes: 150 * KiB,
      partSizeBytes: 100 * KiB,
    })
    for (const part of created.parts) await putPart(part, bytes, 100 * KiB)
    const path = `/v1/uploads/${created.id}`
    const statements = async (method: string, at: string, token: string, body?: unknown) => {
      const cost = await costOf(async () => {
        expect((await harness.call(method, at, token, body)).status).toBe(200)
      })
      return cost.statements
    }

    expect({
      listed: await statements('GET', '/v1/uploads', grant.grant),
      status: await statements('GET', path, created.uploadToken),
      // And the app, because new tokens name its origins.
      statusByGrant: await statements('GET', path, grant.grant),
      completed: await statements('POST', `${path}/complete`, created.completionToken, {}),
    }).toEqual({ listed: 1, status: 1, statusByGrant: 2, completed: 3 })
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

    const costs = await runsUntil(async () => (await unsettled()) === 0, sweepWithin(RUN))

    expect(costs.length).toBeGreaterThan(2)
  })

  it('aborts as many orphans of a session as it allows', async () => {
    const { body: created } = await create()
    await plant(created.key, 60)
    harness.advance({ hours: 25 })
    const isReleased = async () =>
      (await harness.services.uploads.find(app.id, created.id))?.storageReleasedAt !== undefined

    const costs = await runsUntil(isReleased, sweepWithin(RUN))

    expect(costs.length).toBeGreaterThan(2)
    await expectNoOrphans(harness, created.key)
  })

  it('aborts as many listed uploads as it allows, and continues after them', async () => {
    const { body: created } = await create()
    await harness.call('DELETE', `/v1/uploads/${created.id}`, app.apiKey)
    await settle(harness)
    await plant(created.key, 100)
    harness.advance({ hours: 1 })
    const store = harness.services.storeNamed('default')
    const isEmpty = async () => (await store.listUploads(created.key)).length === 0

    const costs = await runsUntil(isEmpty, sweepWithin(RUN))

    expect(costs.length).toBeGreaterThan(1)
  })

  it('checks as many uploads of a client’s own SDK as it allows, and counts the others as active', async () => {
    const own = await harness.createApp({ credentials: true })
    const { body: issued } = await harness.call('POST', '/v1/credentials', own.apiKey, {
      subject: 'ada',
      filename: 'film.bin',
      sizeBytes: 1000,
    })
    await plant(issued.key, 40)
    const state = async () => (await harness.services.uploads.find(own.id, issued.uploadId))?.state
    harness.advance({ hours: 25 })

    const { statements, storeCalls } = await costOf(sweepWithin(40))
    expect(statements + storeCalls).toBeLessThanOrEqual(40)
    expect(storeCalls).toBeGreaterThan(10)
    expect(await state()).toBe('open')
    harness.advance({ hours: 25 })
    await sweepWithin(RUN)()

    expect(await state()).toBe('expired')
  })

  it('processes what it allows', async () => {
    const processed = await appWith(harness, [THUMBNAIL])
    const uploads: Array<{ id: string }> = []
    for (let count = 0; count < 20; count++) uploads.push(await processed.upload('image/png'))
    const isDone = async () => {
      const owed = await Promise.all(uploads.map(({ id }) => processed.owed(id)))
      return owed.flat().every(({ state }) => state === 'delivered')
    }

    const costs = await runsUntil(isDone, () => deliverDue(harness.within(budgetOf(RUN))))

    expect(costs.length).toBeGreaterThan(1)
    await processed.receiver.close()
  })

  it('delivers as much as it allows, and leaves the shares reserved for other work', async () => {
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
