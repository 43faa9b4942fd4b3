// Races between the sweep and calls that change a session after the sweep has read it. The stale read decides nothing.
import { describe, expect, it } from 'vitest'
import { gate } from '../support/gates.ts'
import { putPart } from '../support/harness.ts'
import { expectNoOrphans, expectOneOutcome, settle } from '../support/invariants.ts'
import { BYTES, KiB, useRaceField } from './race-field.ts'

const field = useRaceField()
const key = { 'idempotency-key': 'k1' }

describe('sweep ∥ take-over of a reservation', () => {
  it('the repeat has taken over before the sweep fails it', async () => {
    const lost = gate(field.store(), 'initiate', { when: 'before' })
    const first = field.create({ subject: 'ida' }, key)
    await lost.reached
    field.harness.advance({ minutes: 2 })
    const ending = gate(field.uploads(), 'end', { when: 'before' })

    const sweeping = field.harness.sweep()
    await ending.reached
    const second = await field.create({ subject: 'ida' }, key)
    ending.open()
    await sweeping
    lost.open()
    await first

    expect(second).toMatchObject({ status: 200, body: { state: 'open' } })
    await expectOneOutcome(field.harness, field.app, second.body.id, 'open')
  })

  it('the repeat is still initiating when the sweep comes to fail it', async () => {
    const held = gate(field.store(), 'initiate', { when: 'before' })
    const first = field.create({ subject: 'ina' }, key)
    await held.reached
    field.harness.advance({ minutes: 2 })
    const ending = gate(field.uploads(), 'end', { when: 'before' })
    const sweeping = field.harness.sweep()
    await ending.reached
    const again = gate(field.store(), 'initiate', { when: 'before' })

    const second = field.create({ subject: 'ina' }, key)
    await again.reached
    ending.open()
    await sweeping
    again.open()
    const { body } = await second
    held.open()
    await first

    await expectOneOutcome(field.harness, field.app, body.id, 'open')
    await expectNoOrphans(field.harness, body.key, [await field.storageUploadId(body)])
  })

  it('the sweep has failed it, and the repeat is told', async () => {
    const held = gate(field.store(), 'initiate', { when: 'before' })
    const first = field.create({ subject: 'isa' }, key)
    await held.reached
    const taking = gate(field.uploads(), 'takeOver', { when: 'before' })
    field.harness.advance({ minutes: 2 })

    const second = field.create({ subject: 'isa' }, key)
    await taking.reached
    await field.harness.sweep()
    taking.open()
    held.open()

    expect(await second).toMatchObject({ status: 200, body: { state: 'failed' } })
    expect(await first).toMatchObject({ status: 409, body: { code: 'upload-not-open' } })
    const { body } = await second
    await settle(field.harness)
    await expectNoOrphans(field.harness, body.key)
    expect((await field.find(body.id))?.storageReleasedAt).toBeInstanceOf(Date)
  })
})

describe('sweep ∥ whoever gives the session another time', () => {
  it('a direct completion signed while the sweep looks is looked for within minutes', async () => {
    const created = await field.sent()
    field.harness.advance({ minutes: 11 })
    const scheduling = gate(field.uploads(), 'scheduleSweep', {
      when: 'before',
      only: ({ id }) => id === created.id,
    })

    const sweeping = field.harness.sweep()
    await scheduling.reached
    expect((await field.complete(created, { mode: 'direct' })).status).toBe(200)
    scheduling.open()
    await sweeping
    // The client completes directly at the store, but the callback is lost.
    const { key, storageUploadId } = (await field.find(created.id))!
    const parts = []
    const upload = { key, storageUploadId: storageUploadId! }
    for await (const page of field.store().listParts(upload)) parts.push(...page)
    await field.store().complete(upload, parts, { overwrite: 'never' })
    field.harness.advance({ minutes: 2 })
    await field.harness.sweep()

    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('what an abort could not release while the sweep looked is released within minutes', async () => {
    const created = await field.sent()
    field.harness.advance({ minutes: 11 })
    const scheduling = gate(field.uploads(), 'scheduleSweep', {
      when: 'before',
      only: ({ id }) => id === created.id,
    })

    const sweeping = field.harness.sweep()
    await scheduling.reached
    field.harness.interceptStore(() => async () => {
      throw new TypeError('cut')
    })
    expect((await field.abort(created)).body).toMatchObject({ state: 'aborted' })
    field.harness.interceptStore((forward) => forward)
    scheduling.open()
    await sweeping
    field.harness.advance({ minutes: 2 })
    await field.harness.sweep()

    expect((await field.find(created.id))?.storageReleasedAt).toBeInstanceOf(Date)
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
    await expectNoOrphans(field.harness, created.key)
  })

  it('a session that is resumed while the sweep is about to expire it stays', async () => {
    const tab = { fingerprint: 'resumed', resume: true, subject: 'rita' }
    const { body: created } = await field.create(tab)
    field.harness.advance({ hours: 25 })
    const ending = gate(field.uploads(), 'end', {
      when: 'before',
      only: ({ id }) => id === created.id,
    })

    const sweeping = field.harness.sweep()
    await ending.reached
    expect(await field.create(tab)).toMatchObject({ status: 200, body: { id: created.id } })
    ending.open()
    await sweeping

    await expectOneOutcome(field.harness, field.app, created.id, 'open')
  })

  it('a session that ended between being found and being resumed is not resumed', async () => {
    const tab = { fingerprint: 'ended', resume: true, subject: 'rita' }
    const { body: created } = await field.create(tab)
    const touching = gate(field.uploads(), 'touch', { when: 'before' })

    const resuming = field.create(tab)
    await touching.reached
    await field.harness.call('DELETE', `/v1/uploads/${created.id}`, field.app.apiKey)
    touching.open()

    const { status, body } = await resuming
    expect([status, body.id === created.id]).toEqual([201, false])
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
    await expectOneOutcome(field.harness, field.app, body.id, 'open')
  })
})

describe('sweep ∥ completion without the client', () => {
  it('the client’s own completion is first', async () => {
    const created = await auto()
    const claiming = gate(field.uploads(), 'claimCompletion', { when: 'before' })

    const sweeping = field.harness.sweep()
    await claiming.reached
    expect(await field.complete(created)).toMatchObject({ status: 200 })
    claiming.open()
    await sweeping

    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('the sweep’s is first, and the client waits for it', async () => {
    const created = await auto()
    const held = gate(field.store(), 'complete', { when: 'before' })
    const waiting = gate(field.harness.services, 'delay', { when: 'before' })

    const sweeping = field.harness.sweep()
    await held.reached
    const own = field.complete(created)
    await waiting.reached
    held.open()
    await sweeping
    waiting.open()

    expect(await own).toMatchObject({ status: 200, body: { state: 'completed' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('a part that is taken away in between leaves the session open', async () => {
    const created = await auto()
    const claiming = gate(field.uploads(), 'claimCompletion', { when: 'before' })

    const sweeping = field.harness.sweep()
    await claiming.reached
    await field.lose(created)
    const healed = await field.status(created)
    claiming.open()
    await sweeping

    expect(healed).toMatchObject({ status: 200, body: { healed: true } })
    await expectOneOutcome(field.harness, field.app, created.id, 'open')
    expect((await field.abort(created)).status).toBe(200)
  })

  async function auto() {
    await field.policy('auto', { autoComplete: 'unverified' })
    const { body: created } = await field.create({ policy: 'auto' })
    for (const part of created.parts) await putPart(part, BYTES, 100 * KiB)
    field.harness.advance({ minutes: 11 })
    return created
  }
})
