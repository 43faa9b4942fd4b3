// URLs for a whole object: one PUT with everything it is created with, and one GET that downloads it.
import { expect, test } from 'vitest'
import { alterations, type Bench, expectRefused, needs, send, text } from './bench.ts'

const BYTES = text('hello')

export function objectUrls(bench: Bench) {
  // Not no-cache, which fetch itself adds to a request with If-None-Match.
  const full = () =>
    bench.spec({
      overwrite: bench.store.createOnlyPut ? 'never' : 'replace',
      headers: { cacheControl: 'max-age=60', metadata: { team: 'blue' } },
    })
  const absent = async () => expect(await bench.store.head(bench.key())).toBeUndefined()

  test('for PUT takes exactly the bytes that were declared', async (context) => {
    needs(context, bench.store.bindsLength || undefined)
    const signed = bench.signPut(BYTES)

    for (const content of ['four', 'sixsix']) expectRefused(await send(signed, text(content)))

    await absent()
    expect((await send(signed, BYTES)).status).toBe(200)
  })

  test('for PUT is bound in every parameter and header', async () => {
    const signed = bench.signPut(BYTES, full())

    for (const { name, altered } of alterations(signed)) {
      const { status } = await send(altered, BYTES)
      expect(`${status} ${name}`).toMatch(/^4/)
    }

    await absent()
    expect((await send(signed, BYTES)).status).toBe(200)
    expect(await bench.store.head(bench.key())).toMatchObject({
      uploadId: 'upl_1',
      headers: { cacheControl: 'max-age=60' },
    })
  })

  test('for PUT is for one key and one method', async () => {
    await bench.put(BYTES, bench.spec({ key: bench.key('other.bin') }))
    const signed = bench.signPut(text('evil!'))

    const url = signed.url.replace(bench.key(), bench.key('other.bin'))
    expect(url).not.toBe(signed.url)
    expectRefused(await send({ ...signed, url }, text('evil!')))
    for (const method of ['GET', 'POST', 'DELETE']) {
      expectRefused(await send({ ...signed, method }, method === 'GET' ? undefined : BYTES))
    }

    await absent()
    await bench.expectBytes(bench.key('other.bin'), BYTES)
  })

  test('for PUT ends with its validity', async () => {
    expectRefused(await send(bench.signPut(BYTES, bench.spec(), bench.expired()), BYTES))

    await absent()
  })

  test.each(['report.pdf', 'ü "quoted" 100% \\ 文件 😀.pdf', "a'b(c)*;d=e,f.pdf"])(
    'for GET downloads the object as %s',
    async (filename) => {
      await bench.put(BYTES)

      const answer = await send(bench.store.presignGet(bench.key(), filename, bench.validity()))

      expect(answer.status).toBe(200)
      expect(answer.bytes.equals(BYTES)).toBe(true)
      const disposition = answer.headers.get('content-disposition')!
      expect(disposition).toMatch(/^attachment;/)
      const [, extended] = /filename\*=UTF-8''(\S+)$/.exec(disposition)!
      expect(decodeURIComponent(extended!)).toBe(filename)
    },
  )

  test('for GET is bound in every parameter, and to its key and method', async () => {
    await bench.put(BYTES)
    await bench.put(BYTES, bench.spec({ key: bench.key('other.bin') }))
    const signed = bench.store.presignGet(bench.key(), 'a.txt', bench.validity())

    for (const { name, altered } of alterations(signed)) {
      const { status } = await send(altered)
      expect(`${status} ${name}`).toMatch(/^4/)
    }
    const url = signed.url.replace(bench.key(), bench.key('other.bin'))
    expectRefused(await send({ ...signed, url }))
    for (const method of ['PUT', 'DELETE']) {
      expectRefused(await send({ ...signed, method }, text('other')))
    }

    await bench.expectBytes(bench.key(), BYTES)
  })

  test('for GET ends with its validity', async () => {
    await bench.put(BYTES)

    expectRefused(await send(bench.store.presignGet(bench.key(), 'a.txt', bench.expired())))
  })
}
