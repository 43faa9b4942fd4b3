// Keys: every text that `keyFault` allows names one object, in our own calls and in URLs.
import { expect, test } from 'vitest'
import { keyFault, MAX_KEY_BYTES } from '../../../src/core/object-key.ts'
import { type Bench, text } from './bench.ts'

const NAMES = [
  'plain.txt',
  'with spaces .txt',
  'a+b.txt',
  '100%.txt',
  'a%20b%2Fc%.txt',
  "!'()*.txt",
  '&?#=;,:@$~|^`{}[].txt',
  '<quoted "and" \\ back>.txt',
  'Grüße/文件.txt',
  'emoji 😀👩‍👩‍👧.bin',
  '...',
]

export function keys(bench: Bench) {
  async function expectRoundTrip(key: string) {
    expect(keyFault(key)).toBeUndefined()
    const upload = await bench.initiate(bench.spec({ key }))
    expect(await bench.store.listUploads(key)).toMatchObject([upload])
    await bench.putPart(upload, 1, text(key))
    await bench.complete(upload)
    await bench.expectBytes(key, text(key))
    const { etag, versionId } = (await bench.store.head(key))!
    await bench.store.delete(key, { ifMatch: etag!, versionId })
    expect(await bench.store.head(key)).toBeUndefined()
    await bench.put(text('put'), bench.spec({ key }))
    await bench.expectBytes(key, text('put'))
  }

  test.each(NAMES)('may be %j', (name) => expectRoundTrip(bench.key(name)))

  test(`may have ${MAX_KEY_BYTES} bytes`, async () => {
    // Segments of 200 bytes, because some stores keep them as names of files.
    const segments = `${'ü'.repeat(100)}/`.repeat(5)
    const start = bench.prefix + segments.slice(0, 480)
    const key = start + 'x'.repeat(MAX_KEY_BYTES - text(start).length)
    expect(text(key)).toHaveLength(MAX_KEY_BYTES)

    await expectRoundTrip(key)
  })

  test('differs from every key that is spelt differently', async () => {
    const names = ['a b', 'a+b', 'a%20b', 'a%2Bb', 'A b', 'a/b', 'a%2Fb', 'a b ', 'é', 'e\u0301']
    for (const name of names) await bench.put(text(name), bench.spec({ key: bench.key(name) }))

    for (const name of names) await bench.expectBytes(bench.key(name), text(name))
  })
}
