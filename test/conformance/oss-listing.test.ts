// The OSS dialect's listings: which pages it asks the embedded store for, and misleading answers that it rejects.
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ObjectStore } from '../../src/core/ports/object-store.ts'
import { randomId } from '../../src/embedded/store/disk/layout.ts'
import { oss } from '../../src/storage/oss/index.ts'
import { listAllParts } from '../../src/uploads/completion/stored-parts.ts'
import { BUCKET, CREDENTIALS, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()
const KEY = "a b/ü+&?#%2F!'()*"
const PART = 102_400

let store: ObjectStore
let asked: URL[]

/** The dialect on the embedded store, or on a double that answers. */
function dialect(answer?: (url: URL) => string): ObjectStore {
  const address = { url: context.store.url, addressing: 'path' } as const
  return oss({
    name: 'default',
    bucket: BUCKET,
    region: 'local',
    endpoint: address,
    publicEndpoint: address,
    credentials: CREDENTIALS,
    bindLength: true,
    clock: () => context.now,
    fetch: (input, init) => {
      const url = new URL(String(input))
      asked.push(url)
      return answer ? Promise.resolve(new Response(answer(url))) : fetch(input, init)
    },
  })
}

beforeEach(() => {
  asked = []
  store = dialect()
})

/** Writes uploads as the store itself does, without a request and a sync for each. */
async function placeUploads(keys: readonly string[]): Promise<string[]> {
  await context.store.close()
  const ids = keys.map(randomId)
  for (const [index, key] of keys.entries()) {
    const folder = join(context.directory, 'uploads', ids[index]!)
    const record = { id: ids[index], key, initiatedAt: context.now.toISOString(), headers: {} }
    await mkdir(folder)
    await writeFile(join(folder, 'upload.json'), JSON.stringify(record))
  }
  await context.start()
  store = dialect()
  return ids
}

/** Repeats part 1 of an upload as parts 2 to `count`, all of which name its bytes. */
async function repeatPart(uploadId: string, count: number, part: Record<string, unknown>) {
  await context.store.close()
  for (let partNumber = 2; partNumber <= count; partNumber++) {
    const path = join(context.directory, 'uploads', uploadId, `${partNumber}.json`)
    await writeFile(path, JSON.stringify({ ...part, partNumber }))
  }
  await context.start()
  store = dialect()
}

describe('uploads of one key', () => {
  test('are asked for page by page, with percent-encoded keys', async () => {
    const neighbours = [`${KEY}!`, `${KEY}/x`, `${KEY} `, `${KEY}ü`, KEY.slice(0, -1), 'a', 'z']
    const all = [...Array<string>(2001).fill(KEY), ...neighbours.flatMap((key) => [key, key])]
    const ids = await placeUploads(all)

    const found = await store.listUploads(KEY)

    expect(found.every(({ key }) => key === KEY)).toBe(true)
    const wanted = ids.slice(0, 2001).sort()
    expect(found.map(({ storageUploadId }) => storageUploadId)).toEqual(wanted)
    expect(asked).toHaveLength(3)
    expect(asked.every(({ searchParams }) => searchParams.get('encoding-type') === 'url')).toBe(
      true,
    )
    expect(asked[0]!.searchParams.get('prefix')).toBe(KEY)
  })

  test('are not asked for again once a page ends with a longer key', async () => {
    const longer = Array.from({ length: 1500 }, (_, index) => `${KEY}/${index}`)
    const [id] = await placeUploads([KEY, ...longer])

    expect(await store.listUploads(KEY)).toEqual([
      { key: KEY, storageUploadId: id, initiatedAt: expect.any(Date) },
    ])
    expect(asked).toHaveLength(1)
  })

  test('that fill exactly one page are asked for once', async () => {
    const ids = await placeUploads(Array<string>(1000).fill(KEY))

    expect(await store.listUploads(KEY)).toHaveLength(ids.length)
    expect(asked).toHaveLength(1)
  })

  const page = (body: string) => `<ListMultipartUploadsResult>${body}</ListMultipartUploadsResult>`
  const upload = (key: string) =>
    `<Upload><Key>${key}</Key><UploadId>ID</UploadId><Initiated>2024-01-02T03:04:05.000Z</Initiated></Upload>`

  test('are read literally if the store did not encode their keys', async () => {
    const raw = dialect(() => page(upload('100%25+.bin')))

    expect(await raw.listUploads('100%25+.bin')).toHaveLength(1)
    expect(await raw.listUploads('100%+.bin')).toEqual([])
  })

  test('are decoded if it did, except for the plus sign', async () => {
    const encoded = page(`<EncodingType>url</EncodingType>${upload('a%20b%2Fc+d%0A')}`)

    expect(await dialect(() => encoded).listUploads('a b/c+d\n')).toHaveLength(1)
    const broken = dialect(() => encoded.replace('%0A', '%0'))
    await expect(broken.listUploads('a')).rejects.toMatchObject({ code: 'UnreadableAnswer' })
  })

  test.each([
    ['Key', ''],
    ['UploadId', ''],
    ['Initiated', ''],
    ['Initiated', '<Initiated>long ago</Initiated>'],
  ])('are rejected if %s is %j', async (name, instead) => {
    const spoilt = upload('k').replace(new RegExp(`<${name}>[^<]+</${name}>`), instead)

    const listing = dialect(() => page(spoilt)).listUploadsBelow('')

    await expect(listing).rejects.toMatchObject({ kind: 'ambiguous', code: 'UnreadableAnswer' })
  })

  test('are read from five pages at most', async () => {
    const endless = dialect(() => {
      const number = String(asked.length)
      const next = `<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>${number}</NextUploadIdMarker>`
      return page(`<IsTruncated>true</IsTruncated>${upload('k').repeat(1000)}${next}`)
    })

    expect(await endless.listUploads('k')).toHaveLength(5000)
    expect(asked).toHaveLength(5)
  })

  test.each([
    [
      'the same place again',
      '<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>A</NextUploadIdMarker>',
    ],
    ['no place', ''],
    [
      'a place outside of what was asked for',
      '<NextKeyMarker>j</NextKeyMarker><NextUploadIdMarker>Z</NextUploadIdMarker>',
    ],
  ])('end with a failure if the next page is %s', async (_, next) => {
    const turning = dialect(() => page(`<IsTruncated>true</IsTruncated>${upload('k')}${next}`))

    await expect(turning.listUploads('k')).rejects.toMatchObject({ kind: 'ambiguous' })
    expect(asked.length).toBeLessThan(3)
  })
})

describe('parts', () => {
  test('of 2,500 come in three pages, are folded, and complete to the checksum of the whole', async () => {
    const storageUploadId = await context.initiate(KEY)
    const bytes = randomBytes(PART)
    const { headers } = await context.uploadPart(KEY, storageUploadId, 1, bytes)
    const record = {
      dataId: (await readdir(join(context.directory, 'data')))[0],
      sizeBytes: PART,
      md5: String(headers.etag).replaceAll('"', ''),
      crc64: headers['x-oss-hash-crc64ecma'],
      lastModified: context.now.toISOString(),
    }
    await repeatPart(storageUploadId, 2500, record)
    const upload = { key: KEY, storageUploadId }

    const listed = await listAllParts(store, upload)

    expect(asked.map(({ searchParams }) => searchParams.get('part-number-marker'))).toEqual([
      null,
      '1000',
      '2000',
    ])
    expect(listed.parts.map(({ partNumber }) => partNumber)).toEqual(
      Array.from({ length: 2500 }, (_, index) => index + 1),
    )
    expect(listed.sizeBytes).toBe(2500 * PART)
    await store.complete(upload, listed.parts, { overwrite: 'never' })
    expect(await store.head(KEY)).toMatchObject({
      sizeBytes: listed.sizeBytes,
      checksums: listed.checksums,
    })
  })

  test('of an upload without any are an empty list', async () => {
    const storageUploadId = await context.initiate(KEY)

    expect(await listAllParts(store, { key: KEY, storageUploadId })).toEqual({
      parts: [],
      sizeBytes: 0,
      checksums: { crc64: '0' },
    })
  })

  test('end with a failure if a page leads back', async () => {
    const turning = dialect(
      () =>
        '<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>5</NextPartNumberMarker></ListPartsResult>',
    )

    const list = listAllParts(turning, { key: 'k', storageUploadId: 'ID' })

    await expect(list).rejects.toMatchObject({ kind: 'ambiguous', code: 'UnreadableAnswer' })
    expect(asked).toHaveLength(2)
  })
})
