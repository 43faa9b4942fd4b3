// URLs that let a client send one part, and nothing else.
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { alterations, type Bench, expectRefused, needs, send, text } from './bench.ts'

const BYTES = text('hello')
const md5 = (content: Uint8Array) => createHash('md5').update(content).digest('base64')

export function partUrls(bench: Bench) {
  const expectNoPart = async (upload: Parameters<Bench['listParts']>[0]) =>
    expect(await bench.listParts(upload)).toEqual([])

  test('comes for each part of a batch, in the order asked', async () => {
    const upload = await bench.initiate()
    const parts = [3, 1, 2].map((partNumber) => ({ partNumber, sizeBytes: partNumber }))

    const signed = bench.store.presignParts(upload, parts, bench.validity())
    for (const [index, request] of signed.entries()) {
      await send(request, new Uint8Array(parts[index]!.sizeBytes))
    }

    const sizes = (await bench.listParts(upload)).map((part) => [part.partNumber, part.sizeBytes])
    expect(sizes).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ])
  })

  test('takes exactly the bytes that were declared', async (context) => {
    needs(context, bench.store.bindsLength || undefined)
    const upload = await bench.initiate()
    const signed = bench.signPart(upload, 1, 5)

    for (const content of ['four', 'sixsix', '']) expectRefused(await send(signed, text(content)))
    // Without a length, the body goes in chunks.
    expectRefused(await send(signed, new Blob([BYTES]).stream()))
    await expectNoPart(upload)

    expect((await send(signed, BYTES)).status).toBe(200)
  })

  test('takes exactly the MD5 that was declared, and the earlier part stays', async () => {
    const upload = await bench.uploadOf(text('early'))
    const [early] = await bench.listParts(upload)
    const signed = bench.signPart(upload, 1, 5, { contentMd5: md5(BYTES) })

    expectRefused(await send(signed, text('other')))
    expectRefused(await send({ ...signed, headers: {} }, BYTES))
    const matching = { ...signed.headers, 'Content-MD5': md5(text('other')) }
    expectRefused(await send({ ...signed, headers: matching }, text('other')))
    expect(await bench.listParts(upload)).toEqual([early])

    expect((await send(signed, BYTES)).status).toBe(200)
  })

  test('is bound in every parameter', async () => {
    const upload = await bench.initiate()
    const signed = bench.signPart(upload, 1, 5, { contentMd5: md5(BYTES) })

    for (const { name, altered } of alterations(signed)) {
      const { status } = await send(altered, BYTES)
      expect(`${status} ${name}`).toMatch(/^4/)
    }

    await expectNoPart(upload)
    expect((await send(signed, BYTES)).status).toBe(200)
  })

  test('is for one key', async () => {
    const upload = await bench.initiate()
    const other = await bench.initiate(bench.spec({ key: bench.key('other.bin') }))
    const [path] = bench.signPart(other, 1, 5).url.split('?')
    const signed = bench.signPart(upload, 1, 5)

    const url = signed.url.replace(/^[^?]*/, path!)
    expectRefused(await send({ ...signed, url }, BYTES))

    await expectNoPart(other)
  })

  test.each(['GET', 'POST', 'DELETE'])('is not for %s', async (method) => {
    const upload = await bench.uploadOf(BYTES)
    const signed = bench.signPart(upload, 1, 5)

    expectRefused(await send({ ...signed, method }, method === 'GET' ? undefined : BYTES))

    expect(await bench.listParts(upload)).toHaveLength(1)
  })

  test('ends with its validity', async () => {
    const upload = await bench.initiate()
    const { from } = bench.expired()
    const sign = (seconds: number) => bench.signPart(upload, 1, 5, { validity: { from, seconds } })

    expectRefused(await send(sign(60), BYTES))
    await expectNoPart(upload)

    expect((await send(sign(300), BYTES)).status).toBe(200)
  })

  test('may live as long as the store says', async () => {
    const from = bench.subject.now()
    const validity = { from, seconds: bench.store.maxUrlSeconds(from) }

    const signed = bench.signPart(await bench.initiate(), 1, 5, { validity })

    expect((await send(signed, BYTES)).status).toBe(200)
  })
}
