// Temporary credentials: they upload to their own key or prefix, until they expire, and do nothing else.
import { expect, test } from 'vitest'
import type { ObjectStore } from '../../../src/core/ports/object-store.ts'
import { type Bench, expectRefused, failureKind, KIND, needs, send, text } from './bench.ts'

const SECONDS = 900

export function credentials(bench: Bench) {
  /** Opens the bucket as the holder of fresh credentials. */
  async function openAsClient(
    context: Parameters<typeof needs>[0],
    scope: { key: string } | { prefix: string },
  ) {
    const issue = needs(context, bench.store.issueCredentials)
    const openWith = needs(context, bench.subject.openWith)
    const issued = await issue(scope, 'client-1', SECONDS)
    return { issued, client: openWith(issued) }
  }

  async function upload(client: ObjectStore, key: string) {
    const started = await bench.initiate(bench.spec({ key }), client)
    const part = { partNumber: 1, sizeBytes: 5 }
    const [signed] = client.presignParts(started, [part], bench.validity())
    const { headers } = await send(signed!, text('hello'))
    const etag = headers.get('etag')!.replaceAll('"', '')
    await client.complete(started, [{ partNumber: 1, etag }], { overwrite: 'replace' })
  }

  async function expectNoUpload(client: ObjectStore, key: string) {
    const object = bench.spec({ key })
    expect(await failureKind(client.initiate(object))).toBe(KIND.refused)
    expect(await failureKind(client.putEmpty(object))).toBe(KIND.refused)
    const part = { partNumber: 1, sizeBytes: 5 }
    const put = client.presignPut(object, part, bench.validity())
    expectRefused(await send(put, text('hello')))
    expect(await bench.store.head(key)).toBeUndefined()
  }

  test('for a key upload to this key only', async (context) => {
    const { client } = await openAsClient(context, { key: bench.key() })

    await upload(client, bench.key())

    await bench.expectBytes(bench.key(), text('hello'))
    for (const name of ['other.bin', 'file.binx', 'file.bin/x', 'file.bi']) {
      await expectNoUpload(client, bench.key(name))
    }
  })

  test('for a prefix upload below this prefix only', async (context) => {
    const { client } = await openAsClient(context, { prefix: bench.key('dir/') })

    await upload(client, bench.key('dir/a/b.bin'))

    await bench.expectBytes(bench.key('dir/a/b.bin'), text('hello'))
    for (const name of ['dir', 'dir2/a.bin', 'a.bin']) await expectNoUpload(client, bench.key(name))
  })

  test('neither read nor delete', async (context) => {
    const { client } = await openAsClient(context, { key: bench.key() })
    await bench.put(text('hello'))
    const { etag, versionId } = (await bench.store.head(bench.key()))!

    expectRefused(await send(client.presignGet(bench.key(), 'file', bench.validity())))
    const removal = client.delete(bench.key(), { ifMatch: etag!, versionId })
    expect(await failureKind(removal)).toBe(KIND.refused)

    await bench.expectBytes(bench.key(), text('hello'))
  })

  test('work only with their own session token', async (context) => {
    const openWith = needs(context, bench.subject.openWith)
    const { issued } = await openAsClient(context, { key: bench.key() })
    const other = await needs(context, bench.store.issueCredentials)(
      { key: bench.key('other.bin') },
      'client-2',
      SECONDS,
    )

    const mixed = openWith({ ...issued, sessionToken: other.sessionToken })

    await expectNoUpload(mixed, bench.key('other.bin'))
  })

  test('expire when they say', async (context) => {
    const { issued, client } = await openAsClient(context, { key: bench.key() })
    const life = +issued.expiresAt - +bench.subject.now()
    expect(life).toBeGreaterThan((SECONDS - 60) * 1000)
    expect(life).toBeLessThanOrEqual(SECONDS * 1000)

    needs(context, bench.subject.advance)(SECONDS + 1)

    await expectNoUpload(client, bench.key())
  })
}
