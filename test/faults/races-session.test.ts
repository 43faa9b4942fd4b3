// Races between calls that end, heal or create a session, each in every order: one outcome, and no leftovers.
import { describe, expect, it } from 'vitest'
import { gate } from '../support/gates.ts'
import { putPart } from '../support/harness.ts'
import {
  expectExactQuota,
  expectNoOrphans,
  expectOneOutcome,
  settle,
} from '../support/invariants.ts'
import { BYTES, KiB, useRaceField } from './race-field.ts'

const field = useRaceField()

describe('complete ∥ abort', () => {
  it('an abort in the middle of a completion is refused', async () => {
    const created = await field.sent()
    const held = gate(field.store(), 'complete', { when: 'before' })

    const completing = field.complete(created)
    await held.reached
    const refused = await field.abort(created)
    held.open()

    expect(refused).toMatchObject({ status: 409, body: { code: 'upload-completing' } })
    expect(await completing).toMatchObject({ status: 200, body: { state: 'completed' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('an abort that saw the session open comes too late', async () => {
    const created = await field.sent()
    const held = gate(field.uploads(), 'end', { when: 'before' })

    const aborting = field.abort(created)
    await held.reached
    const done = await field.complete(created)
    held.open()

    expect(done).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(await aborting).toMatchObject({ status: 409, body: { code: 'upload-not-open' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('a completion that saw the session open comes too late', async () => {
    const created = await field.sent()
    const held = gate(field.uploads(), 'claimCompletion', { when: 'before' })

    const completing = field.complete(created)
    await held.reached
    const aborted = await field.abort(created)
    held.open()

    expect(aborted).toMatchObject({ status: 200, body: { state: 'aborted' } })
    expect(await completing).toMatchObject({ status: 409, body: { code: 'upload-not-open' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
    await expectNoOrphans(field.harness, created.key)
  })

  it('a completion while the abort is at the store is refused', async () => {
    const created = await field.sent()
    const held = gate(field.store(), 'abort', { when: 'before' })

    const aborting = field.abort(created)
    await held.reached
    const refused = await field.complete(created)
    held.open()

    expect(refused).toMatchObject({ status: 409, body: { code: 'upload-not-open' } })
    expect(await aborting).toMatchObject({ status: 200, body: { state: 'aborted' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
    await expectNoOrphans(field.harness, created.key)
  })
})

describe('abort ∥ direct completion', () => {
  it('no abort while the store may be completing', async () => {
    const created = await field.sent()
    const held = gate(field.uploads(), 'end', { when: 'before' })

    const aborting = field.abort(created)
    await held.reached
    const { body } = await field.complete(created, { mode: 'direct' })
    held.open()

    expect(await aborting).toMatchObject({ status: 409, body: { code: 'upload-completing' } })
    expect((await field.completeAtStore(body.direct)).status).toBe(200)
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('no direct completion is signed for an aborted session', async () => {
    const created = await field.sent()
    const held = gate(field.uploads(), 'recordDirect', { when: 'before' })

    const signing = field.complete(created, { mode: 'direct' })
    await held.reached
    expect((await field.abort(created)).status).toBe(200)
    held.open()

    expect(await signing).toMatchObject({ status: 409, body: { code: 'upload-not-open' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
  })

  it('an abort after the window removes the object that nobody was told of; its callback changes nothing', async () => {
    const created = await field.sent()
    const { body } = await field.complete(created, { mode: 'direct' })
    const inbox = gate(field.harness.services.callbacks, 'insert', { when: 'before' })

    const atStore = field.completeAtStore(body.direct)
    await inbox.reached
    field.harness.advance({ minutes: 16 })
    const aborted = await field.abort(created)
    inbox.open()

    expect(aborted).toMatchObject({ status: 200, body: { state: 'aborted' } })
    expect(await (await atStore).json()).toMatchObject({ state: 'aborted' })
    await settle(field.harness)
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
  })

  it('a callback that saw the object before the abort removed it changes nothing', async () => {
    const created = await field.sent()
    const { body } = await field.complete(created, { mode: 'direct' })
    const held = gate(field.uploads(), 'finish', { when: 'before' })

    const atStore = field.completeAtStore(body.direct)
    await held.reached
    field.harness.advance({ minutes: 16 })
    const aborted = await field.abort(created)
    held.open()
    await atStore

    expect(aborted).toMatchObject({ status: 200, body: { state: 'aborted' } })
    await settle(field.harness)
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
  })

  it('a callback that is first wins over an abort that saw the session open', async () => {
    const created = await field.sent()
    const { body } = await field.complete(created, { mode: 'direct' })
    const inbox = gate(field.harness.services.callbacks, 'insert', { when: 'before' })
    const atStore = field.completeAtStore(body.direct)
    await inbox.reached
    field.harness.advance({ minutes: 16 })
    const held = gate(field.uploads(), 'end', { when: 'before' })

    const aborting = field.abort(created)
    await held.reached
    inbox.open()
    await atStore
    held.open()

    expect(await aborting).toMatchObject({ status: 409, body: { code: 'upload-not-open' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })
})

describe('heal ∥ heal', () => {
  it('the one that begun first and is recorded last aborts its own', async () => {
    const { body: created } = await field.create()
    await field.lose(created)
    const held = gate(field.store(), 'initiate', { when: 'after' })

    const first = field.status(created)
    await held.reached
    const second = await field.status(created)
    held.open()

    expect(second).toMatchObject({ status: 200, body: { healed: true, state: 'open' } })
    expect(await first).toMatchObject({ status: 200, body: { state: 'open' } })
    expect((await first).body.healed).toBeUndefined()
    expect(await field.find(created.id)).toMatchObject({ generation: 2 })
    await expectNoOrphans(field.harness, created.key, [await field.storageUploadId(created)])
    // Both received tokens for the session's current storage upload.
    for (const { body } of [await first, second]) {
      const path = `/v1/uploads/${created.id}/parts`
      const signed = await field.harness.call('POST', path, body.uploadToken, { partNumbers: [1] })
      expect((await putPart(signed.body.parts[0], BYTES, 100 * KiB)).status).toBe(200)
    }
    await field.abort(created)
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
  })

  it('the one that has not begun yet begins nothing', async () => {
    const { body: created } = await field.create()
    await field.lose(created)
    const held = gate(field.uploads(), 'beginHeal', { when: 'before' })

    const first = field.status(created)
    await held.reached
    expect((await field.status(created)).body.healed).toBe(true)
    const initiated = gate(field.store(), 'initiate', { when: 'before' })
    held.open()

    expect(await first).toMatchObject({ status: 200, body: { state: 'open' } })
    await expectNoOrphans(field.harness, created.key, [await field.storageUploadId(created)])
    initiated.open()
    await field.abort(created)
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
  })

  it('what the loser cannot abort is found after the session has completed', async () => {
    const { body: created } = await field.create()
    await field.lose(created)
    const held = gate(field.store(), 'initiate', { when: 'after' })
    const first = field.status(created)
    await held.reached
    const { body: healed } = await field.status(created)
    field.harness.interceptStore((forward) => async (input, init) => {
      if (init?.method === 'DELETE') throw new TypeError('cut')
      return forward(input, init)
    })
    held.open()
    await first
    field.harness.interceptStore((forward) => forward)
    const path = `/v1/uploads/${created.id}/parts`
    const signed = await field.harness.call('POST', path, healed.uploadToken, { from: 1, count: 3 })
    for (const part of signed.body.parts) await putPart(part, BYTES, 100 * KiB)
    expect((await field.complete(created)).status).toBe(200)
    expect(await field.store().listUploads(created.key)).toHaveLength(1)

    field.harness.advance({ minutes: 1 })
    const { orphans } = await field.harness.sweep()
    await settle(field.harness)

    expect(orphans).toBe(1)
    await expectNoOrphans(field.harness, created.key)
    expect((await field.find(created.id))?.leftoversAt).toBeUndefined()
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })
})

describe('heal ∥ direct completion', () => {
  it('what looks lost has just been completed: it is finished, not begun anew', async () => {
    const created = await field.sent()
    const { body } = await field.complete(created, { mode: 'direct' })
    const inbox = gate(field.harness.services.callbacks, 'insert', { when: 'before' })

    const atStore = field.completeAtStore(body.direct)
    await inbox.reached
    const status = await field.status(created)
    inbox.open()

    expect(status).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(await (await atStore).json()).toMatchObject({ state: 'completed' })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
    await expectNoOrphans(field.harness, created.key)
  })

  it('no storage upload is begun anew while a direct completion may be at the store', async () => {
    const created = await field.sent()
    await field.complete(created, { mode: 'direct' })
    await field.lose(created)

    expect(await field.status(created)).toMatchObject({
      status: 409,
      body: { code: 'upload-completing' },
    })
    await expectNoOrphans(field.harness, created.key)
    field.harness.advance({ minutes: 16 })
    expect(await field.status(created)).toMatchObject({ status: 200, body: { healed: true } })
    await field.abort(created)
    await settle(field.harness)
    await expectOneOutcome(field.harness, field.app, created.id, 'aborted')
  })

  it('a heal that saw it lost comes after another’s, and after that one’s direct completion', async () => {
    const { body: created } = await field.create()
    await field.lose(created)
    const held = gate(field.store(), 'initiate', { when: 'after' })
    const slow = field.status(created)
    await held.reached
    const { body: healed } = await field.status(created)
    const path = `/v1/uploads/${created.id}/parts`
    const signed = await field.harness.call('POST', path, healed.uploadToken, { from: 1, count: 3 })
    for (const part of signed.body.parts) await putPart(part, BYTES, 100 * KiB)
    const { body } = await field.complete(created, { mode: 'direct' })

    held.open()
    expect(await slow).toMatchObject({ status: 200, body: { state: 'open' } })
    expect((await field.completeAtStore(body.direct)).status).toBe(200)

    await settle(field.harness)
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
    await expectNoOrphans(field.harness, created.key)
  })
})

describe('create ∥ create with one Idempotency-Key', () => {
  const key = (value: string) => ({ 'idempotency-key': value })

  it('the second waits for the first and gets its session', async () => {
    const held = gate(field.store(), 'initiate', { when: 'before' })
    const waiting = gate(field.harness.services, 'delay', { when: 'before' })

    const first = field.create({ subject: 'ida' }, key('k1'))
    await held.reached
    const second = field.create({ subject: 'ida' }, key('k1'))
    await waiting.reached
    held.open()
    const one = await first
    waiting.open()

    expect(one.status).toBe(201)
    expect(await second).toMatchObject({ status: 200, body: { id: one.body.id, state: 'open' } })
    await expectNoOrphans(field.harness, one.body.key, [await field.storageUploadId(one.body)])
    await expectOneOutcome(field.harness, field.app, one.body.id, 'open')
  })

  it('the second takes over from one that hangs, which then answers the same session', async () => {
    const held = gate(field.store(), 'initiate', { when: 'after' })

    const first = field.create({ subject: 'ida' }, key('k2'))
    await held.reached
    field.harness.advance({ seconds: 31 })
    const second = await field.create({ subject: 'ida' }, key('k2'))
    held.open()
    const one = await first

    expect([one.status, second.status]).toEqual([201, 200])
    expect(one.body.id).toBe(second.body.id)
    await expectNoOrphans(field.harness, one.body.key, [await field.storageUploadId(one.body)])
    // The tokens and URLs of both work.
    expect((await putPart(one.body.parts[0], BYTES, 100 * KiB)).status).toBe(200)
    expect((await putPart(second.body.parts[1], BYTES, 100 * KiB)).status).toBe(200)
    await expectOneOutcome(field.harness, field.app, one.body.id, 'open')
  })

  it('the first, whose upload was aborted by who took over, does not open the session with it', async () => {
    const slow = gate(field.uploads(), 'open', { when: 'before' })
    const first = field.create({ subject: 'ida' }, key('k4'))
    await slow.reached // begun at the store, and the database keeps it waiting
    field.harness.advance({ seconds: 31 })
    const quick = gate(field.uploads(), 'open', { when: 'before' })
    const second = field.create({ subject: 'ida' }, key('k4'))
    await quick.reached
    const waiting = gate(field.harness.services, 'delay', { when: 'before' })
    slow.open()
    await waiting.reached // it has seen that it came too late
    quick.open()
    const two = await second
    waiting.open()
    const one = await first

    expect(two).toMatchObject({ status: 200, body: { state: 'open' } })
    expect(one.body).toMatchObject({ id: two.body.id, state: 'open' })
    for (const { body } of [one, two]) {
      expect((await putPart(body.parts[0], BYTES, 100 * KiB)).status).toBe(200)
    }
    await expectNoOrphans(field.harness, one.body.key, [await field.storageUploadId(one.body)])
    await expectOneOutcome(field.harness, field.app, one.body.id, 'open')
  })

  it('an initiate that arrives after its session was given up is found by its key', async () => {
    const held = gate(field.store(), 'initiate', { when: 'before' })

    const first = field.create({ subject: 'ida' }, key('k3'))
    await held.reached
    const [row] = await field.uploads().list(field.app.id, { subject: 'ida', limit: 1 })
    field.harness.advance({ minutes: 2 })
    await field.harness.sweep()
    expect(await field.find(row!.id)).toMatchObject({ state: 'failed' })
    // The key is clean, but the initiate may still be on its way, so the session stays unresolved.
    expect((await field.find(row!.id))?.storageReleasedAt).toBeUndefined()
    field.harness.interceptStore((forward) => async (input, init) => {
      if (init?.method === 'DELETE') throw new TypeError('cut')
      return forward(input, init)
    })
    held.open()

    expect(await first).toMatchObject({ status: 409, body: { code: 'upload-not-open' } })
    field.harness.interceptStore((forward) => forward)
    expect(await field.store().listUploads(row!.key)).toHaveLength(1)
    await settle(field.harness)
    await expectNoOrphans(field.harness, row!.key)
    expect((await field.find(row!.id))?.storageReleasedAt).toBeInstanceOf(Date)
    await expectExactQuota(field.harness)
  })

  it('two subjects with the same key have each their own session', async () => {
    const held = gate(field.store(), 'initiate', { when: 'before' })

    const first = field.create({ subject: 'ida' }, key('shared'))
    await held.reached
    const second = await field.create({ subject: 'ian' }, key('shared'))
    held.open()
    const one = await first

    expect([one.status, second.status]).toEqual([201, 201])
    expect(one.body.id).not.toBe(second.body.id)
    expect([one.body.subject, second.body.subject]).toEqual(['ida', 'ian'])
    await expectExactQuota(field.harness)
  })
})
