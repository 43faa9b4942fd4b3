// Whole objects: HEAD, the empty object, replacing, deleting.
import { expect, test } from 'vitest'
import { type Bench, expectChecksums, needs, text } from './bench.ts'

const HEADERS = { cacheControl: 'max-age=60', contentDisposition: 'attachment; filename="a.txt"' }

export function objects(bench: Bench) {
  test.each<[string, (object: ReturnType<Bench['spec']>) => Promise<unknown>, string]>([
    [
      'made of parts',
      async (object) => {
        const upload = await bench.uploadOf(text('hello'), object)
        await bench.store.complete(upload, await bench.listParts(upload), object)
      },
      'hello',
    ],
    ['made by a single PUT', (object) => bench.put(text('hello'), object), 'hello'],
    ['made empty', (object) => bench.store.putEmpty(object), ''],
  ])('%s shows what it was created with', async (_, create, content) => {
    const object = bench.spec({
      uploadId: 'upl_019a',
      contentType: 'image/svg+xml',
      headers: { ...HEADERS, metadata: { team: 'blue' } },
    })

    await create(object)

    const found = await bench.store.head(object.key)
    expect(found).toMatchObject({
      key: object.key,
      sizeBytes: content.length,
      contentType: 'image/svg+xml',
      uploadId: 'upl_019a',
      headers: HEADERS,
    })
    expect(found!.etag).toMatch(/^[^"]+$/)
    expect(Math.abs(+found!.lastModified! - +bench.subject.now())).toBeLessThan(60_000)
    expectChecksums(bench.store, found, text(content))
    await bench.expectBytes(object.key, text(content))
  })

  test('that does not exist is undefined', async () => {
    await bench.put(text('x'))

    for (const name of ['none.bin', 'file.bi', 'file.bin/', 'file.binx']) {
      expect(await bench.store.head(bench.key(name))).toBeUndefined()
    }
  })

  test('is replaced as a whole', async () => {
    const first = { uploadId: 'upl_1', contentType: 'text/plain', headers: HEADERS }
    const second = { uploadId: 'upl_2', contentType: 'image/png' }
    await bench.put(text('first'), bench.spec(first))
    const before = await bench.store.head(bench.key())

    await bench.complete(await bench.uploadOf(text('second!'), bench.spec(second)))

    const found = await bench.store.head(bench.key())
    expect(found).toMatchObject({ ...second, sizeBytes: 7 })
    expect(found!.headers).toBeUndefined()
    expect(found!.etag).not.toBe(before!.etag)
    expectChecksums(bench.store, found, text('second!'))
    await bench.store.putEmpty(bench.spec())
    expect(await bench.store.head(bench.key())).toMatchObject({ sizeBytes: 0, uploadId: 'upl_1' })
  })

  test('is deleted only while it is the one that was seen', async () => {
    await bench.put(text('first'))
    const first = (await bench.store.head(bench.key()))!
    await bench.put(text('second'))
    const second = (await bench.store.head(bench.key()))!
    const remove = ({ etag, versionId }: typeof first) =>
      bench.store.delete(bench.key(), { ifMatch: etag!, versionId })

    await bench.store.delete(bench.key(), { ifMatch: first.etag!, versionId: second.versionId })
    expect(await bench.store.head(bench.key())).toEqual(second)

    await remove(second)
    expect((await bench.store.head(bench.key()))?.etag).toBe(
      second.versionId ? first.etag : undefined,
    )
  })

  test('that is gone may be deleted again', async () => {
    await bench.put(text('x'))
    const { etag, versionId } = (await bench.store.head(bench.key()))!

    await bench.store.delete(bench.key(), { ifMatch: etag!, versionId })
    await bench.store.delete(bench.key(), { ifMatch: etag!, versionId })

    expect(await bench.store.head(bench.key())).toBeUndefined()
  })

  test('that was replaced is deleted by its version', async (context) => {
    await bench.put(text('first'))
    const first = (await bench.store.head(bench.key()))!
    const versionId = needs(context, first.versionId)
    await bench.put(text('second'))

    await bench.store.delete(bench.key(), { ifMatch: first.etag!, versionId })

    await bench.expectBytes(bench.key(), text('second'))
  })
}
