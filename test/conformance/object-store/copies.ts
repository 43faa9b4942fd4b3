// Parts copied from a range of another object.
import { randomBytes } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { type Bench, expectChecksums, failureKind, KIND, needs, text } from './bench.ts'

export function copies(bench: Bench) {
  let bytes: Uint8Array<ArrayBuffer>
  let source: { key: string; etag: string }

  /** An object of two parts, under a key that its header has to encode. */
  async function makeSource() {
    const { minPartSizeBytes } = bench.store.limits
    bytes = new Uint8Array(randomBytes(minPartSizeBytes + 1000))
    const key = bench.key("a b/ü+&?%2F'.bin")
    const upload = await bench.initiate(bench.spec({ key }))
    await bench.putPart(upload, 1, bytes.slice(0, minPartSizeBytes))
    await bench.putPart(upload, 2, bytes.slice(minPartSizeBytes))
    await bench.complete(upload)
    source = { key, etag: (await bench.store.head(key))!.etag! }
  }

  beforeEach(async () => {
    if (bench.store.copyPart) await makeSource()
  })

  test('has exactly the bytes of its range, across parts of the source', async (context) => {
    const copyPart = needs(context, bench.store.copyPart)
    const upload = await bench.initiate()
    const [first, last] = [50, bytes.length - 51]

    await copyPart(upload, 1, { ...source, first, last })
    await bench.putPart(upload, 2, text('end'))

    const piece = bytes.slice(first, last + 1)
    const [copied] = await bench.listParts(upload)
    expect(copied!.sizeBytes).toBe(piece.length)
    expectChecksums(bench.store, copied, piece)
    await bench.complete(upload)
    const whole = new Uint8Array(Buffer.concat([piece, text('end')]))
    await bench.expectBytes(upload.key, whole)
  })

  test('stays when its source is deleted', async (context) => {
    const copyPart = needs(context, bench.store.copyPart)
    const upload = await bench.initiate()
    await copyPart(upload, 1, { ...source, first: 0, last: 99 })

    const { versionId } = (await bench.store.head(source.key))!
    await bench.store.delete(source.key, { ifMatch: source.etag, versionId })
    await bench.complete(upload)

    await bench.expectBytes(upload.key, bytes.slice(0, 100))
  })

  test('is not made of a source that has another ETag, or is not there', async (context) => {
    const copyPart = needs(context, bench.store.copyPart)
    const upload = await bench.initiate()
    const copy = (changes: Partial<typeof source>) =>
      failureKind(copyPart(upload, 1, { ...source, first: 0, last: 99, ...changes }))

    expect(await copy({ etag: '0'.repeat(32) })).toBe(KIND.otherSource)
    expect(await copy({ key: bench.key('none.bin') })).toBe(KIND.noSource)

    expect(await bench.listParts(upload)).toEqual([])
  })

  test('is not made for an upload that is aborted', async (context) => {
    const copyPart = needs(context, bench.store.copyPart)
    const upload = await bench.initiate()
    await bench.store.abort(upload)

    const copy = copyPart(upload, 1, { ...source, first: 0, last: 99 })

    expect(await failureKind(copy)).toBe(KIND.noUpload)
  })
}
