// Listings beyond one page: parts of an upload, uploads of a key, uploads below a prefix.
import { expect, test } from 'vitest'
import type { ListedUpload, ListedUploadsPage } from '../../../src/core/ports/object-store.ts'
import { type Bench, inParallel, text } from './bench.ts'

/** One more than a page of the S3-shaped protocols holds. */
const COUNT = 1001

const ids = (uploads: ReadonlyArray<{ storageUploadId: string }>) =>
  uploads.map(({ storageUploadId }) => storageUploadId).sort()

export function listings(bench: Bench) {
  async function listBelow(prefix: string): Promise<ListedUpload[][]> {
    const pages: ListedUpload[][] = []
    let next: ListedUploadsPage['next']
    do {
      const page = await bench.store.listUploadsBelow(prefix, next)
      pages.push(page.uploads)
      next = page.next
    } while (next && pages.length < 10)
    return pages
  }

  test('finds every part once, over several pages', async (context) => {
    context.skip(bench.subject.quick === true)
    const upload = await bench.initiate()
    await inParallel(COUNT, (index) => bench.putPart(upload, index + 1, text(String(index))))

    const pages = []
    for await (const page of bench.store.listParts(upload)) pages.push(page)

    const parts = pages.flat()
    expect(pages.length).toBeGreaterThan(1)
    expect(parts.map(({ partNumber }) => partNumber)).toEqual(
      Array.from({ length: COUNT }, (_, index) => index + 1),
    )
    expect(parts[COUNT - 1]!.sizeBytes).toBe(String(COUNT - 1).length)
  })

  test('finds every upload once, over several pages', async (context) => {
    context.skip(bench.subject.quick === true)
    const key = bench.key("a b/ü+&?#%2F!'()*")
    const neighbours = [`${key}!`, `${key}/x`, `${key}ü`, key.slice(0, -1), bench.key('z')]
    const ours = await inParallel(COUNT, () => bench.initiate(bench.spec({ key })))
    const others = await inParallel(neighbours.length, (index) =>
      bench.initiate(bench.spec({ key: neighbours[index]! })),
    )

    const ofKey = await bench.store.listUploads(key)
    const pages = await listBelow(bench.prefix)

    expect(ofKey.every((upload) => upload.key === key)).toBe(true)
    expect(ids(ofKey)).toEqual(ids(ours))
    expect(pages.length).toBeGreaterThan(1)
    expect(ids(pages.flat())).toEqual(ids([...ours, ...others]))
    const keyOf = new Map(
      [...ours, ...others].map((upload) => [upload.storageUploadId, upload.key]),
    )
    for (const upload of pages.flat()) {
      expect(upload.key).toBe(keyOf.get(upload.storageUploadId))
      expect(Math.abs(+upload.initiatedAt - +bench.subject.now())).toBeLessThan(60_000)
    }
  })

  test('continues after the given upload', async () => {
    for (const name of ['b', 'a', 'b', 'c'])
      await bench.initiate(bench.spec({ key: bench.key(name) }))
    const [all] = await listBelow(bench.prefix)

    for (const [index, upload] of all!.entries()) {
      const { uploads } = await bench.store.listUploadsBelow(bench.prefix, upload)
      expect(uploads).toEqual(all!.slice(index + 1))
    }
  })

  test('finds only open uploads, and only below its prefix', async () => {
    const [open, aborted, completed] = [
      await bench.initiate(bench.spec({ key: bench.key('dir/open') })),
      await bench.initiate(bench.spec({ key: bench.key('dir/aborted') })),
      await bench.uploadOf(text('x'), bench.spec({ key: bench.key('dir/completed') })),
    ]
    await bench.initiate(bench.spec({ key: bench.key('beside') }))
    await bench.store.abort(aborted)
    await bench.complete(completed)

    expect(await listBelow(bench.key('dir/'))).toMatchObject([[open]])
    expect(await bench.store.listUploads(aborted.key)).toEqual([])
    expect(await bench.store.listUploads(completed.key)).toEqual([])
    expect(await bench.store.listUploads(bench.key('dir'))).toEqual([])
  })
}
