// What is declared and what was checked before a completion, raced by another completion of the same session: the object that one
// of them made is never judged by the other's words, and never passes unchecked.
import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { crc64 } from '../../src/bytes/crc64.ts'
import { gate, gateListing } from '../support/gates.ts'
import { putPart, someBytes } from '../support/harness.ts'
import { expectOneOutcome, settle } from '../support/invariants.ts'
import { BYTES, KiB, OTHER_BYTES, useRaceField } from './race-field.ts'

const field = useRaceField()
const PART = 100 * KiB
const sum = (bytes: Uint8Array) => `crc64:${crc64(bytes)}`
const shaOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('base64')}`
const SHORTER = BYTES.slice(0, 220 * KiB)

beforeAll(() => field.policy('streams', { maxSizeBytes: 1_000_000 }))

/** A stream, with all its parts sent. */
async function streamed() {
  const { body: created } = await field.create({ sizeBytes: undefined, policy: 'streams' })
  const path = `/v1/uploads/${created.id}/parts`
  const last = { partNumber: 3, sizeBytes: BYTES.length - 2 * PART }
  const { body } = await field.harness.call('POST', path, created.uploadToken, {
    partNumbers: [1, 2, 3],
    last,
  })
  for (const part of body.parts) expect((await putPart(part, BYTES, PART)).status).toBe(200)
  return created
}

const put = async (created: Record<string, any>, number: number, bytes: Uint8Array<ArrayBuffer>) =>
  expect((await putPart(created.parts[number - 1], bytes, PART)).status).toBe(200)

/** The first completion has had the object made, and nobody hears of it: its lease ends. */
async function madeAndSilent(created: Record<string, any>, body: unknown) {
  const held = gate(field.store(), 'complete', { when: 'after' })
  const answer = field.complete(created, body)
  await held.reached
  field.harness.advance({ minutes: 2 })
  return { answer, open: held.open }
}

/** The first completion has claimed the session and asks what is stored; its lease ends before it hears. */
async function claimedAndSilent(created: Record<string, any>, body: unknown) {
  const held = gateListing(field.store(), 'before')
  const answer = field.complete(created, body)
  await held.reached
  field.harness.advance({ minutes: 2 })
  return { answer, open: held.open }
}

/** The store does not answer such requests. */
const silence = (method: string) =>
  field.harness.interceptStore((forward) => (input, init) => {
    if ((init?.method ?? 'GET') === method) throw new TypeError('fetch failed')
    return forward(input, init)
  })

describe('complete ∥ complete that declares something else', () => {
  it.each([
    ['another checksum', () => field.sent(), {}, { checksum: sum(OTHER_BYTES) }],
    [
      'a checksum that the store does not tell',
      () => field.sent(),
      { checksum: shaOf(BYTES) },
      { checksum: shaOf(OTHER_BYTES) },
    ],
    ['another size', () => streamed(), { sizeBytes: BYTES.length }, { sizeBytes: SHORTER.length }],
  ])('%s: the object of the first stays, and the second is told', async (_, make, one, two) => {
    const created = await make()
    const first = await madeAndSilent(created, one)

    const second = await field.complete(created, two)
    first.open()

    expect(second.status).toBe(422)
    expect(['checksum-mismatch', 'parts-mismatch']).toContain(second.body.code)
    expect(await first.answer).toMatchObject({ status: 200, body: { state: 'completed' } })
    const { body } = await field.status(created)
    expect(body.object).toMatchObject({ sizeBytes: BYTES.length })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('takes its turn where the first comes to nothing', async () => {
    const created = await streamed()
    const first = await claimedAndSilent(created, { sizeBytes: SHORTER.length })

    const second = await field.complete(created, { sizeBytes: BYTES.length, checksum: sum(BYTES) })
    first.open()

    expect(second).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(await first.answer).toMatchObject({ status: 422, body: { code: 'parts-mismatch' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('waits for the first, and takes its turn where that was of other bytes', async () => {
    const created = await field.sent()
    const first = await claimedAndSilent(created, { checksum: sum(OTHER_BYTES) })

    const second = await field.complete(created, { checksum: sum(BYTES) })
    first.open()

    expect(second).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(second.body).toMatchObject({ checksum: sum(BYTES), object: { declared: sum(BYTES) } })
    expect((await field.status(created)).body.checksum).toBe(sum(BYTES))
    expect(await first.answer).toMatchObject({ status: 422, body: { code: 'checksum-mismatch' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('that does not even hear of the parts leaves open what the first came to', async () => {
    const created = await field.sent()
    silence('HEAD')
    expect(await field.complete(created)).toMatchObject({ body: { state: 'completing' } })
    silence('GET')
    expect(await field.complete(created, { checksum: sum(BYTES) })).toMatchObject({ status: 503 })
    expect(await field.find(created.id)).toMatchObject({ state: 'completing' })
    field.harness.interceptStore((forward) => forward)

    const third = await field.complete(created, { checksum: sum(OTHER_BYTES) })

    expect(third).toMatchObject({ status: 422, body: { code: 'checksum-mismatch' } })
    expect((await field.status(created)).body).toMatchObject({ state: 'completed' })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('may declare nothing, and is not refused for what the first declared', async () => {
    const created = await field.sent()
    const first = await claimedAndSilent(created, { checksum: sum(OTHER_BYTES) })

    expect(await field.complete(created)).toMatchObject({ status: 200 })
    first.open()
    expect(await first.answer).toMatchObject({ status: 422, body: { code: 'checksum-mismatch' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('is told where only the first one’s word tells that its file is another', async () => {
    const [sha, otherSha] = [shaOf(BYTES), shaOf(OTHER_BYTES)]
    const created = await field.sent()
    const held = gate(field.store(), 'complete', { when: 'before' })
    const waiting = gate(field.harness.services, 'delay', { when: 'before' })
    const first = field.complete(created, { checksum: sha })
    await held.reached
    const second = field.complete(created, { checksum: otherSha })
    await waiting.reached
    held.open()
    expect(await first).toMatchObject({ status: 200, body: { object: { declared: sha } } })
    waiting.open()

    expect(await second).toMatchObject({ status: 422, body: { code: 'checksum-mismatch' } })
  })

  it('does not show in the session while its outcome is open', async () => {
    const file = { fingerprint: 'resumed', resume: true }
    const created = await field.sent(file)
    const listed = gateListing(field.store(), 'before')
    const first = field.complete(created, { checksum: sum(OTHER_BYTES) })
    await listed.reached

    const resumed = await field.create(file)

    expect(resumed).toMatchObject({ status: 200, body: { id: created.id } })
    expect(resumed.body.checksum).toBeUndefined()
    listed.open()
    expect(await first).toMatchObject({ status: 422 })
  })

  it('of a stream says its size, whatever the first says', async () => {
    const created = await streamed()
    const listed = gateListing(field.store(), 'before')
    const first = field.complete(created, { sizeBytes: SHORTER.length })
    await listed.reached

    expect(await field.complete(created)).toMatchObject({
      status: 422,
      body: { code: 'size-required' },
    })
    listed.open()
    expect(await first).toMatchObject({ status: 422, body: { code: 'parts-mismatch' } })
  })

  it('is not bound by a declaration whose check failed', async () => {
    const created = await streamed()
    const wrong = { sizeBytes: SHORTER.length, checksum: sum(SHORTER) }

    expect(await field.complete(created, wrong)).toMatchObject({ status: 422 })
    const session = await field.find(created.id)
    expect([session!.attemptDeclared, session!.checksum]).toEqual([undefined, undefined])
    const right = { sizeBytes: BYTES.length, checksum: sum(BYTES) }
    expect(await field.complete(created, right)).toMatchObject({ status: 200 })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })
})

describe('a relayed completion ∥ a direct one', () => {
  const failed = async (created: Record<string, any>) => {
    expect(await field.find(created.id)).toMatchObject({ failure: 'object-mismatch' })
    expect(await field.store().head(created.key)).toBeUndefined()
    await settle(field.harness)
    await expectOneOutcome(field.harness, field.app, created.id, 'failed')
  }

  it('does not take an object of other parts than were checked', async () => {
    const created = await field.sent()
    const { body: signed } = await field.complete(created, { mode: 'direct' })
    await put(created, 1, OTHER_BYTES)
    expect((await field.completeAtStore(signed.direct)).status).toBe(200)
    expect(await field.find(created.id)).toMatchObject({ state: 'open' })

    const relayed = await field.complete(created)

    expect(relayed).toMatchObject({ status: 409, body: { code: 'object-mismatch' } })
    await failed(created)
  })

  it('whose own check failed leaves the direct one to be compared', async () => {
    const created = await field.sent()
    const { body: signed } = await field.complete(created, { mode: 'direct' })
    await put(created, 1, OTHER_BYTES)
    const checksum = sum(someBytes(250 * KiB, 9))
    expect(await field.complete(created, { checksum })).toMatchObject({ status: 422 })

    expect((await field.completeAtStore(signed.direct)).status).toBe(200)
    await field.status(created)

    await failed(created)
  })

  it('that declares other bytes leaves the object of the direct one, and is told', async () => {
    const created = await field.sent()
    const { body: signed } = await field.complete(created, { mode: 'direct' })
    const listed = gateListing(field.store(), 'before')
    const relayed = field.complete(created, { checksum: sum(OTHER_BYTES) })
    await listed.reached

    expect((await field.completeAtStore(signed.direct)).status).toBe(200)
    listed.open()

    expect(await relayed).toMatchObject({ status: 422, body: { code: 'checksum-mismatch' } })
    const { body } = await field.status(created)
    expect(body).toMatchObject({ state: 'completed', object: { sizeBytes: BYTES.length } })
    expect(body.object.declared).toBeUndefined()
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })

  it('makes an object of the parts that are there now, and is believed even when it was not heard of', async () => {
    const created = await field.sent()
    await field.complete(created, { mode: 'direct' })
    await put(created, 1, OTHER_BYTES)

    const relayed = await madeAndSilent(created, {})
    field.harness.advance({ minutes: 1 })
    await field.harness.sweep()
    relayed.open()

    expect(await relayed.answer).toMatchObject({ status: 200, body: { state: 'completed' } })
    await expectOneOutcome(field.harness, field.app, created.id, 'completed')
  })
})
