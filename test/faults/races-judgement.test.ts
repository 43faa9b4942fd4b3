// Who looks at a session with what was known a moment ago: no good object is deleted by it, and no unchecked one is finished.
import { beforeAll, describe, expect, it } from 'vitest'
import { crc64 } from '../../src/bytes/crc64.ts'
import { gate, gateListing } from '../support/gates.ts'
import { putPart, someBytes } from '../support/harness.ts'
import { expectOneOutcome, settle } from '../support/invariants.ts'
import { BYTES, KiB, OTHER_BYTES, useRaceField } from './race-field.ts'

const field = useRaceField()
const PART = 100 * KiB
const sum = (bytes: Uint8Array) => `crc64:${crc64(bytes)}`

beforeAll(() => field.policy('streams', { maxSizeBytes: 1_000_000 }))

type Created = Record<string, any>

const put = async ({ parts }: Created, number: number, bytes: Uint8Array<ArrayBuffer>) =>
  expect((await putPart(parts[number - 1], bytes, PART)).status).toBe(200)

const signed = async (created: Created, body: Record<string, unknown> = {}) =>
  (await field.complete(created, { mode: 'direct', ...body })).body.direct

const atStore = async (direct: Record<string, any>) => {
  const answer = await field.completeAtStore(direct)
  return { status: answer.status, body: await answer.json() }
}

/** Completed as these bytes, once. */
async function holds(created: Created, bytes: Uint8Array) {
  const { body } = await field.status(created)
  expect(body).toMatchObject({
    state: 'completed',
    object: { sizeBytes: bytes.length, checksums: { crc64: crc64(bytes).toString() } },
  })
  await expectOneOutcome(field.harness, field.app, created.id, 'completed')
}

/** Failed, and removed. */
async function isRefused(created: Created) {
  await settle(field.harness)
  expect(await field.find(created.id)).toMatchObject({ failure: 'object-mismatch' })
  expect(await field.store().head(created.key)).toBeUndefined()
  await expectOneOutcome(field.harness, field.app, created.id, 'failed')
}

describe('an object is not deleted by who knew too little of it', () => {
  it('a stream that the first completed after all, while the second asks for more parts', async () => {
    const bytes = someBytes(400 * KiB)
    const { body: created } = await field.create({ sizeBytes: undefined, policy: 'streams' })
    const path = `/v1/uploads/${created.id}/parts`
    const { body } = await field.harness.call('POST', path, created.uploadToken, {
      partNumbers: [1, 2, 3, 4],
    })
    for (const number of [1, 2, 3]) await put(body, number, bytes)
    const held = gate(field.store(), 'complete', { when: 'before' })
    const first = field.complete(created, { sizeBytes: 3 * PART })
    await held.reached
    field.harness.advance({ minutes: 2 })
    await put(body, 4, bytes)
    const turn = gate(field.store(), 'complete', { when: 'before' })
    const second = field.complete(created, { sizeBytes: 4 * PART })
    await turn.reached
    const looked = gate(field.store(), 'head', { when: 'before' })
    held.open()
    await looked.reached
    turn.open()

    expect(await second).toMatchObject({ status: 422, body: { code: 'parts-mismatch' } })
    looked.open()
    expect(await first).toMatchObject({ status: 200, body: { state: 'completed' } })
    await holds(created, bytes.subarray(0, 3 * PART))
  })

  it('a GET that read the session before other parts were checked', async () => {
    const created = await field.sent()
    await signed(created)
    await put(created, 1, OTHER_BYTES)
    const recorded = gate(field.uploads(), 'recordChecked', { when: 'before' })
    const relayed = field.complete(created)
    await recorded.reached
    const listed = gateListing(field.store(), 'before')
    const asked = field.status(created)
    await listed.reached
    const made = gate(field.store(), 'complete', { when: 'after' })
    recorded.open()
    await made.reached
    listed.open()

    expect((await asked).body.state).toBe('completing')
    made.open()
    expect(await relayed).toMatchObject({ status: 200, body: { state: 'completed' } })
  })

  it('a sweep that read the session before a second direct completion was signed', async () => {
    const created = await field.sent()
    await signed(created)
    field.harness.advance({ minutes: 2 })
    const looked = gate(field.store(), 'head', { when: 'before' })
    const sweep = field.harness.sweep()
    await looked.reached
    await put(created, 1, OTHER_BYTES)
    const direct = await signed(created)
    const inbox = gate(field.harness.services.callbacks, 'insert', { when: 'before' })
    const answer = atStore(direct)
    await inbox.reached
    looked.open()
    await sweep
    inbox.open()

    expect(await answer).toMatchObject({ status: 200, body: { state: 'completed' } })
  })

  it('parts that were checked for a direct completion, and are there again after a relayed one was refused', async () => {
    const created = await field.sent()
    const direct = await signed(created)
    await put(created, 1, OTHER_BYTES)
    const held = gate(field.store(), 'complete', { when: 'before' })
    const relayed = field.complete(created)
    await held.reached
    await put(created, 1, BYTES)
    held.open()
    expect(await relayed).toMatchObject({ status: 422, body: { code: 'parts-mismatch' } })

    expect(await atStore(direct)).toMatchObject({ status: 200, body: { state: 'completed' } })
    await holds(created, BYTES)
  })
})

describe('an object is not finished by who knew too little of it', () => {
  it('a GET that read the session before a direct completion was signed', async () => {
    const created = await field.sent()
    const listed = gateListing(field.store(), 'before')
    const asked = field.status(created)
    await listed.reached
    const direct = await signed(created, { checksum: sum(BYTES) })
    await put(created, 1, OTHER_BYTES)
    expect((await atStore(direct)).body).toMatchObject({ state: 'completing' })
    listed.open()

    expect((await asked).body.state).toBe('open')
    await isRefused(created)
  })

  it('a direct completion that read the session before another bound it to a checksum', async () => {
    const created = await field.sent()
    const listed = gateListing(field.store(), 'before')
    const other = field.complete(created, { mode: 'direct' })
    await listed.reached
    const direct = await signed(created, { checksum: sum(BYTES) })
    await put(created, 1, OTHER_BYTES)
    listed.open()

    expect(await other).toMatchObject({ status: 422, body: { code: 'checksum-mismatch' } })
    expect((await atStore(direct)).body).toMatchObject({ state: 'completing' })
    await isRefused(created)
  })

  it('parts that were checked before a direct completion bound the session to a checksum', async () => {
    const created = await field.sent({}, OTHER_BYTES)
    await signed(created)
    for (const number of [1, 2, 3]) await put(created, number, BYTES)
    const direct = await signed(created, { checksum: sum(BYTES) })
    for (const number of [1, 2, 3]) await put(created, number, OTHER_BYTES)

    expect((await atStore(direct)).body).toMatchObject({ state: 'completing' })
    await isRefused(created)
  })

  it('parts that changed after a direct completion of a session that was begun anew', async () => {
    const created = await field.sent()
    await signed(created)
    field.harness.advance({ minutes: 16 })
    await field.lose(created)
    const { body: healed } = await field.status(created)
    expect(healed.healed).toBe(true)
    const path = `/v1/uploads/${created.id}/parts`
    const { body } = await field.harness.call('POST', path, healed.uploadToken, {
      from: 1,
      count: 3,
    })
    for (const number of [1, 2, 3]) await put(body, number, BYTES)
    const direct = await signed({ ...created, completionToken: healed.completionToken })
    await put(body, 1, OTHER_BYTES)

    expect((await atStore(direct)).body).toMatchObject({ state: 'completing' })
    await isRefused(created)
  })

  it('parts that were checked long ago: the last sixteen listings are kept', async () => {
    const created = await field.sent()
    for (let version = 0; version < 18; version++) {
      await put(created, 1, someBytes(250 * KiB, 20 + version))
      await signed(created)
    }

    const { checkedChecksums } = (await field.find(created.id))!
    expect(new Set(checkedChecksums).size).toBe(16)
    const last = new Uint8Array([
      ...someBytes(250 * KiB, 37).subarray(0, PART),
      ...BYTES.subarray(PART),
    ])
    expect(checkedChecksums!.at(-1)).toBe(sum(last))
  })
})
