// Races to complete one session, each in every order: one outcome, one event, and a sensible answer for the loser.
import { describe, expect, it } from 'vitest'
import { gate, gateListing } from '../support/gates.ts'
import { putPart } from '../support/harness.ts'
import { expectNoOrphans, expectOneOutcome, settle } from '../support/invariants.ts'
import { BYTES, KiB, OTHER_BYTES, useRaceField } from './race-field.ts'

const field = useRaceField()

describe('complete ∥ complete', () => {
  it('the second waits for the first and gets its answer', async () => {
    const created = await field.sent()
    const held = gate(field.store(), 'complete', { when: 'before' })
    const waiting = gate(field.harness.services, 'delay', { when: 'before' })

    const first = field.complete(created)
    await held.reached
    const second = field.complete(created)
    await waiting.reached
    held.open()
    waiting.open()

    const [one, two] = [await first, await second]
    expect(one).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(two).toMatchObject({ status: 200, body: one.body })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('the second takes over from one that hangs, which then answers the same', async () => {
    const created = await field.sent()
    const held = gate(field.store(), 'complete', { when: 'before' })

    const first = field.complete(created)
    await held.reached
    field.harness.advance({ minutes: 2 })
    const two = await field.complete(created)
    held.open()

    expect(two).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(await first).toMatchObject({ status: 200, body: two.body })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('the second tries for itself where the first found a part missing', async () => {
    const created = await field.sent()
    const { body: fresh } = await field.create()
    for (const part of fresh.parts.slice(1)) await putPart(part, BYTES, 100 * KiB)
    const listed = gateListing(field.store(), 'after')
    const waiting = gate(field.harness.services, 'delay', { when: 'before' })

    const first = field.complete(fresh)
    await listed.reached
    await putPart(fresh.parts[0], BYTES, 100 * KiB)
    const second = field.complete(fresh)
    await waiting.reached
    listed.open()
    const one = await first
    waiting.open()

    expect(one).toMatchObject({ status: 422, body: { code: 'parts-mismatch', missing: [1] } })
    expect(await second).toMatchObject({ status: 200, body: { state: 'completed' } })
    await expectOneOutcome(field.harness, field.app, fresh.id, 'completed')
    expect(await field.complete(created)).toMatchObject({ status: 200 })
  })
})

describe('complete ∥ callback', () => {
  it('the relayed completion is first, and the callback is answered with its outcome', async () => {
    const created = await field.sent()
    const { body } = await field.complete(created, { mode: 'direct' })
    const held = gate(field.uploads(), 'finish', { when: 'before' })

    const atStore = field.completeAtStore(body.direct)
    await held.reached // the callback has seen the object
    const relayed = await field.complete(created)
    held.open()

    expect(relayed).toMatchObject({ status: 200, body: { state: 'completed' } })
    const answer = await atStore
    expect([answer.status, await answer.json()]).toMatchObject([200, { state: 'completed' }])
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('the callback is first, and the relayed completion answers its outcome', async () => {
    const created = await field.sent()
    const { body } = await field.complete(created, { mode: 'direct' })
    const inbox = gate(field.harness.services.callbacks, 'insert', { when: 'before' })

    const atStore = field.completeAtStore(body.direct)
    await inbox.reached // the object is made, and nobody here knows
    const held = gate(field.uploads(), 'finish', { when: 'before' })
    const relayed = field.complete(created)
    await held.reached
    inbox.open()
    const answer = await atStore
    held.open()

    expect([answer.status, await answer.json()]).toMatchObject([200, { state: 'completed' }])
    expect(await relayed).toMatchObject({ status: 200, body: { state: 'completed' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })
})

describe('sweep ∥ slow complete', () => {
  it('a sweep in the middle leaves it alone', async () => {
    const created = await field.sent()
    const held = gate(field.store(), 'complete', { when: 'before' })

    const slow = field.complete(created)
    await held.reached
    field.harness.advance({ minutes: 2 }) // its lease has ended
    await field.harness.sweep()
    expect(await field.find(created.id)).toMatchObject({ state: 'completing' })
    held.open()

    expect(await slow).toMatchObject({ status: 200, body: { state: 'completed' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('a sweep that finds the object finishes, and the slow one answers the same', async () => {
    const created = await field.sent()
    const held = gate(field.store(), 'complete', { when: 'after' })

    const slow = field.complete(created)
    await held.reached
    field.harness.advance({ minutes: 3 })
    await field.harness.sweep()
    expect(await field.find(created.id)).toMatchObject({ state: 'completed' })
    held.open()

    expect(await slow).toMatchObject({ status: 200, body: { state: 'completed' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('two sweepers that see the object at once finish it once', async () => {
    const created = await field.sent()
    const held = gate(field.store(), 'complete', { when: 'after' })
    const slow = field.complete(created)
    await held.reached
    field.harness.advance({ minutes: 3 })
    const finishing = gate(field.uploads(), 'finish', { when: 'before' })

    const one = field.harness.sweep()
    await finishing.reached
    field.harness.advance({ minutes: 2 }) // what the first had claimed is due again
    await field.harness.sweep()
    finishing.open()
    await one
    held.open()

    expect(await slow).toMatchObject({ status: 200, body: { state: 'completed' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('one so slow that its session was opened again and aborted is told so, and leaves nothing', async () => {
    const created = await field.sent()
    const held = gate(field.store(), 'complete', { when: 'before' })

    const slow = field.complete(created)
    await held.reached
    field.harness.advance({ minutes: 17 })
    await field.harness.sweep()
    expect(await field.find(created.id)).toMatchObject({ state: 'open' })
    expect(await field.abort(created)).toMatchObject({ status: 200, body: { state: 'aborted' } })
    held.open()

    expect(await slow).toMatchObject({
      status: 409,
      body: { code: 'upload-not-open', state: 'aborted' },
    })
    await settle(field.harness)
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
    await expectNoOrphans(field.harness, created.key)
  })

  it('an object that comes after the abort was settled is removed by whoever made it', async () => {
    const created = await field.sent()
    const held = gate(field.uploads(), 'finish', { when: 'before' })

    const slow = field.complete(created)
    await held.reached // it has seen its object; now time goes by, and the object is out of sight
    const store = field.store()
    const unseen = store.head
    store.head = async () => undefined
    field.harness.advance({ minutes: 17 })
    await field.harness.sweep()
    field.harness.advance({ minutes: 2 })
    await field.harness.sweep()
    expect(await field.find(created.id)).toMatchObject({ state: 'open' })
    expect((await field.abort(created)).status).toBe(200)
    store.head = unseen
    held.open()

    expect(await slow).toMatchObject({ status: 409, body: { code: 'upload-not-open' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
  })

  it('an idle session is completed by the client while the sweep is about to expire it', async () => {
    const created = await field.sent()
    field.harness.advance({ hours: 25 })
    const held = gate(field.uploads(), 'end', { when: 'before' })

    const sweeping = field.harness.sweep()
    await held.reached
    const { body } = await field.status(created)
    const done = await field.complete({ ...created, completionToken: body.completionToken })
    held.open()
    await sweeping

    expect(done).toMatchObject({ status: 200, body: { state: 'completed' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('an idle session whose client comes back in the last moment is not expired', async () => {
    const { body: created } = await field.create()
    field.harness.advance({ hours: 25 })
    const held = gate(field.uploads(), 'end', { when: 'before', only: (s) => s.id === created.id })

    const sweeping = field.harness.sweep()
    await held.reached
    expect(await field.status(created)).toMatchObject({ status: 200, body: { state: 'open' } })
    held.open()
    await sweeping

    await expectOneOutcome(field.harness, field.app, created.id, 'open')
    expect((await field.abort(created)).status).toBe(200)
  })

  it('a completion that comes while the expiry is being carried out is told so', async () => {
    const created = await field.sent()
    field.harness.advance({ hours: 25 })
    const held = gate(field.store(), 'abort', { when: 'before' })

    const sweeping = field.harness.sweep()
    await held.reached
    const late = await field.complete(created)
    held.open()
    await sweeping

    expect(late).toMatchObject({ status: 409, body: { code: 'upload-expired' } })
    await settle(field.harness)
    await expectOneOutcome(field.harness, field.app, created.id, 'expired')
    await expectNoOrphans(field.harness, created.key)
  })
})

describe('a part overwritten between list and complete', () => {
  const overwrite = (created: Record<string, any>, bytes = OTHER_BYTES) =>
    putPart(created.parts[0], bytes, 100 * KiB)

  it('is noticed by the store: nothing is made of parts that were not checked', async () => {
    const created = await field.sent()
    const listed = gateListing(field.store(), 'after')

    const first = field.complete(created)
    await listed.reached
    expect((await overwrite(created)).status).toBe(200)
    listed.open()

    expect(await first).toMatchObject({ status: 422, body: { code: 'parts-mismatch' } })
    expect(await field.find(created.id)).toMatchObject({ state: 'open' })
    expect(await field.store().head(created.key)).toBeUndefined()
    // It did not count as an attempt, so the client may still complete the current parts, or abort.
    expect(await field.complete(created)).toMatchObject({ status: 200 })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('is seen by the check where it came before the list, if a checksum was declared', async () => {
    const { body: probe } = await field.create()
    for (const part of probe.parts) await putPart(part, BYTES, 100 * KiB)
    const { body: done } = await field.complete(probe)
    const checksum = `crc64:${done.object.checksums.crc64}`
    const created = await field.sent({ checksum })
    const listed = gateListing(field.store(), 'before')

    const first = field.complete(created)
    await listed.reached
    expect((await overwrite(created)).status).toBe(200)
    listed.open()

    expect(await first).toMatchObject({ status: 422, body: { code: 'checksum-mismatch' } })
    expect(await field.store().head(created.key)).toBeUndefined()
    expect((await overwrite(created, BYTES)).status).toBe(200)
    expect(await field.complete(created)).toMatchObject({ status: 200 })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')

    // In a direct completion the store takes any parts there are. HEAD shows that, the object is removed and the session fails.
    const direct = await field.sent()
    const { body: signed } = await field.complete(direct, { mode: 'direct', checksum })
    expect((await overwrite(direct)).status).toBe(200)
    expect((await field.completeAtStore(signed.direct)).status).toBe(200)
    field.harness.advance({ minutes: 2 })
    await field.harness.sweep()
    expect(await field.find(direct.id)).toMatchObject({ failure: 'object-mismatch' })
    await settle(field.harness)
    await expectOneOutcome(field.harness, field.app, direct.id, 'failed')
  })
})
