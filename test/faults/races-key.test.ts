// Two sessions for one key, or one file in two tabs: the owner of the final bytes is always clear.
import { describe, expect, it } from 'vitest'
import { crc64 } from '../../src/bytes/crc64.ts'
import { gate } from '../support/gates.ts'
import { putPart, someBytes } from '../support/harness.ts'
import { expectNoOrphans, expectOneOutcome, settle } from '../support/invariants.ts'
import { BYTES, KiB, OTHER_BYTES, useRaceField } from './race-field.ts'

const field = useRaceField()

const readBack = async (created: Record<string, any>) => {
  const path = `/v1/uploads/${created.id}/object`
  const { headers } = await field.harness.call('GET', path, field.app.apiKey)
  const answer = await fetch(headers.get('location')!)
  return new Uint8Array(await answer.arrayBuffer())
}

describe('two sessions with one key by template', () => {
  it.each([
    ['the first at the store', 0],
    ['the second at the store', 1],
  ])(
    '%s has the object; the other is told, and its abort leaves the object alone',
    async (_, winner) => {
      await field.policy('flat', { keyTemplate: '{filename}' })
      const filename = `shared-${winner}.bin`
      const ada = await field.sent({ policy: 'flat', filename, subject: 'ada' })
      const bob = await field.sent({ policy: 'flat', filename, subject: 'bob' }, OTHER_BYTES)
      expect(ada.key).toBe(bob.key)
      const [first, second] = winner === 0 ? [ada, bob] : [bob, ada]
      const heldBack = (await field.storageUploadId(second))!
      const held = gate(field.store(), 'complete', {
        when: 'before',
        only: (upload) => upload.storageUploadId === heldBack,
      })

      // Both have claimed and checked. The gate decides which reaches the store first.
      const losing = field.complete(second)
      await held.reached
      const won = await field.complete(first)
      held.open()

      expect(won).toMatchObject({ status: 200, body: { state: 'completed' } })
      expect(await losing).toMatchObject({ status: 409, body: { code: 'object-exists' } })
      await expectOneOutcome(field.harness, field.app, second.id, 'open')
      expect((await field.abort(second)).status).toBe(200)
      await settle(field.harness)
      await expectOneOutcome(field.harness, field.app, second.id, 'aborted')
      await expectOneOutcome(field.harness, field.app, first.id, 'completed')
      await expectNoOrphans(field.harness, first.key)
      expect(await readBack(first)).toEqual(winner === 0 ? BYTES : OTHER_BYTES)
    },
  )

  it('one whose key holds another’s id is not taken for its orphan', async () => {
    await field.policy('by-id', { keyTemplate: '{uploadId}' })
    await field.policy('by-name', { keyTemplate: '{filename}' })
    const { body: one } = await field.create({ policy: 'by-id' })
    const planted = await field.sent({ policy: 'by-name', filename: one.id, subject: 'eve' })
    expect(planted.key).toBe(one.key)

    expect((await field.abort(one)).status).toBe(200)
    await settle(field.harness)

    await expectOneOutcome(field.harness, field.app, one.id, 'aborted')
    expect(await field.complete(planted)).toMatchObject({ status: 200 })
    await expectOneOutcome(field.harness, field.app, planted.id, 'completed')
  })
})

describe('two tabs with two versions of a file', () => {
  const versions = [someBytes(250 * KiB, 11), someBytes(250 * KiB, 12)] as const
  const sum = (bytes: Uint8Array) => `crc64:${crc64(bytes)}`

  it('that declare their checksums have each their own session', async () => {
    const tab = { fingerprint: 'report.pdf', resume: true, subject: 'tia' }
    const one = await field.sent({ ...tab, checksum: sum(versions[0]) }, versions[0])
    const two = await field.sent({ ...tab, checksum: sum(versions[1]) }, versions[1])

    const answers = await Promise.all([field.complete(two), field.complete(one)])

    expect(one.id).not.toBe(two.id)
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(await readBack(one)).toEqual(versions[0])
    expect(await readBack(two)).toEqual(versions[1])
    await expectOneOutcome(field.harness, field.app, one.id, 'completed')
    await expectOneOutcome(field.harness, field.app, two.id, 'completed')
  })

  it.each([
    ['first', 0],
    ['second', 1],
  ])(
    'that share one session never mix: the %s tab completes what is wholly its own',
    async (_, last) => {
      const tab = { fingerprint: `mixed-${last}`, resume: true, subject: 'tia' }
      const { body: created } = await field.create(tab)
      const { body: resumed } = await field.create(tab)
      expect(resumed.id).toBe(created.id)
      const own = versions[last]!
      const other = versions[1 - last]!
      for (const part of created.parts) await putPart(part, own, 100 * KiB)
      await putPart(resumed.parts[1], other, 100 * KiB)

      const mixed = await field.complete(created, { checksum: sum(own) })
      expect(mixed).toMatchObject({ status: 422, body: { code: 'checksum-mismatch' } })
      expect(await field.store().head(created.key)).toBeUndefined()
      await putPart(created.parts[1], own, 100 * KiB)
      const done = await field.complete(created, { checksum: sum(own) })

      expect(done).toMatchObject({ status: 200, body: { state: 'completed' } })
      expect(await readBack(created)).toEqual(own)
      // The other tab must not count these bytes as its own.
      expect(await field.complete(resumed, { checksum: sum(other) })).toMatchObject({
        status: 422,
        body: { code: 'checksum-mismatch' },
      })
      await expectOneOutcome(field.harness, field.app, created.id, 'completed')
    },
  )
})
