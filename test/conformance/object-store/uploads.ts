// Storage uploads: initiate, list parts, complete, abort.
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { ObjectStore } from '../../../src/core/ports/object-store.ts'
import type { StoredUpload } from '../../../src/core/stored.ts'
import { type Bench, expectChecksums, failureKind, KIND, send, text } from './bench.ts'

const OVERWRITE = { overwrite: 'replace' } as const

export function uploads(bench: Bench) {
  const expectAbsent = async (key = bench.key()) =>
    expect(await bench.store.head(key)).toBeUndefined()

  test('becomes one object, with its parts in the order of their numbers', async () => {
    const { limits } = bench.store
    const pieces = [
      new Uint8Array(randomBytes(limits.minPartSizeBytes)),
      new Uint8Array(randomBytes(limits.minPartSizeBytes + 1)),
      text('end'),
    ]
    const numbers = [2, 5, limits.maxPartCount]
    const upload = await bench.initiate(bench.spec({ contentType: 'video/mp4' }))
    for (const index of [2, 0, 1]) await bench.putPart(upload, numbers[index]!, pieces[index]!)

    const parts = await bench.listParts(upload)
    await bench.store.complete(upload, parts, OVERWRITE)

    const whole = new Uint8Array(Buffer.concat(pieces))
    expect(parts.map(({ partNumber }) => partNumber)).toEqual(numbers)
    await bench.expectBytes(upload.key, whole)
    const found = await bench.store.head(upload.key)
    expect(found).toMatchObject({
      sizeBytes: whole.length,
      contentType: 'video/mp4',
      uploadId: 'upl_1',
      etag: expect.any(String),
    })
    expectChecksums(bench.store, found, whole)
  })

  test('lists each part by number, size, ETag, checksum and time', async () => {
    const upload = await bench.initiate()
    const sent = await bench.putPart(upload, 3, text('hello'))

    const parts = await bench.listParts(upload)

    expect(parts).toMatchObject([
      {
        partNumber: 3,
        sizeBytes: 5,
        etag: sent.headers.get('etag')?.replaceAll('"', ''),
        lastModified: expect.any(Date),
      },
    ])
    expect(Math.abs(+parts[0]!.lastModified - +bench.subject.now())).toBeLessThan(60_000)
    expectChecksums(bench.store, parts[0], text('hello'))
  })

  test('lists no part before one is stored', async () => {
    expect(await bench.listParts(await bench.initiate())).toEqual([])
  })

  test('keeps the latest bytes of a part', async () => {
    const upload = await bench.uploadOf(text('first'))
    const [first] = await bench.listParts(upload)
    await bench.putPart(upload, 1, text('second'))

    const withFirst = bench.store.complete(upload, [first!], OVERWRITE)
    expect(await failureKind(withFirst)).toBe(KIND.partsChanged)
    await bench.complete(upload)

    await bench.expectBytes(upload.key, text('second'))
  })

  test('leaves out parts that its completion does not name', async () => {
    const upload = await bench.uploadOf(text('named'))
    await bench.putPart(upload, 2, text('not named'))

    const [named] = await bench.listParts(upload)
    await bench.store.complete(upload, [named!], OVERWRITE)

    await bench.expectBytes(upload.key, text('named'))
  })

  test.each<[string, number, (part: { partNumber: number; etag: string }) => object[]]>([
    ['another ETag', 1, ({ partNumber, etag }) => [{ partNumber, etag: reversed(etag) }]],
    ['a part that is not stored', 1, (part) => [part, { ...part, partNumber: 2 }]],
    ['a first part below the minimum', 2, () => []],
  ])('is not completed with %s, and stays open', async (_, count, change) => {
    const small = new Uint8Array(bench.store.limits.minPartSizeBytes - 1)
    const upload = await bench.uploadOf(small)
    if (count === 2) await bench.putPart(upload, 2, text('end'))
    const parts = await bench.listParts(upload)
    const changed = change(parts[0]!) as typeof parts

    const completion = bench.store.complete(upload, changed.length ? changed : parts, OVERWRITE)

    expect(await failureKind(completion)).toBe(KIND.partsChanged)
    await expectAbsent()
    expect(await bench.listParts(upload)).toHaveLength(count)
    await bench.store.complete(upload, [parts[0]!], OVERWRITE)
    await bench.expectBytes(upload.key, small)
  })

  test.each(['replace', 'never'] as const)(
    'changes nothing when it is completed again (overwrite: %s)',
    async (overwrite) => {
      const upload = await bench.uploadOf(text('once'))
      const parts = await bench.listParts(upload)
      await bench.store.complete(upload, parts, { overwrite })
      const before = await bench.store.head(upload.key)

      // A store may also answer the repetition as it answered the first.
      const again = await bench.store
        .complete(upload, parts, { overwrite })
        .then(() => undefined, failureOf)

      const allowed = [undefined, KIND.noUpload, ...(overwrite === 'never' ? [KIND.exists] : [])]
      expect(allowed).toContain(again)
      expect(await bench.store.head(upload.key)).toEqual(before)
    },
  )

  test('cannot be used once it is aborted', async () => {
    const upload = await bench.uploadOf(text('gone'))
    const parts = await bench.listParts(upload)
    await bench.store.abort(upload)

    await expectUnknown(upload, parts)
    await expectAbsent()
  })

  test('is known under its own key only', async () => {
    const upload = await bench.uploadOf(text('mine'))

    await expectUnknown({ ...upload, key: bench.key('other.bin') }, await bench.listParts(upload))

    await expectAbsent(bench.key('other.bin'))
    await bench.complete(upload)
    await bench.expectBytes(upload.key, text('mine'))
  })

  test('is not known before it is initiated', async () => {
    const { key, storageUploadId } = await bench.initiate()
    const unknown = { key, storageUploadId: reversed(storageUploadId) }

    await expectUnknown(unknown, [{ partNumber: 1, etag: '0'.repeat(32) }])
  })

  test('does not depend on another upload of the same key', async () => {
    const first = await bench.uploadOf(text('first'))
    const second = await bench.uploadOf(text('second'))

    await bench.store.abort(first)
    await bench.complete(second)

    await bench.expectBytes(second.key, text('second'))
  })

  test('is completed or aborted, whichever comes first', async () => {
    for (const abortFirst of [true, false]) {
      const key = bench.key(`${abortFirst}.bin`)
      const upload = await bench.uploadOf(text('raced'), bench.spec({ key }))
      const parts = await bench.listParts(upload)
      const abort = () => bench.store.abort(upload)
      const complete = () => bench.store.complete(upload, parts, OVERWRITE)

      const calls = abortFirst ? [abort(), complete()] : [complete(), abort()]
      const outcomes = await Promise.all(calls.map((call) => call.then(() => 'done', failureOf)))

      const [aborted, completed] = abortFirst ? outcomes : outcomes.toReversed()
      expect([aborted, completed]).toContain('done')
      const found = await bench.store.head(key)
      expect(found?.sizeBytes).toBe(completed === 'done' ? 5 : undefined)
      expect(await bench.store.listUploads(key)).toEqual([])
    }
  })

  /** Expects each call about the upload to find none. */
  async function expectUnknown(
    upload: StoredUpload,
    parts: Parameters<ObjectStore['complete']>[1],
  ): Promise<void> {
    const { store } = bench
    expect(await failureKind(bench.listParts(upload))).toBe(KIND.noUpload)
    const completed = bench.subject.unclearIfUnknown ? 'ambiguous' : KIND.noUpload
    expect(await failureKind(store.complete(upload, parts, OVERWRITE))).toBe(completed)
    expect(await failureKind(store.abort(upload))).toBe(KIND.noUpload)
    expect(await send(bench.signPart(upload, 1, 4), text('late'))).toMatchObject({ status: 404 })
  }
}

const failureOf = (error: unknown) => failureKind(Promise.reject(error))

/** Another text of the same characters. */
const reversed = (id: string) => {
  const other = [...id].reverse().join('')
  return other === id ? `${id.slice(1)}${id[0]}` : other
}
