// Completion by the client at the store, which reports it with a token.
import { expect, test } from 'vitest'
import type { ObjectSpec } from '../../../src/core/stored.ts'
import { alterations, type Bench, expectRefused, needs, send, text, tokenOf } from './bench.ts'

export function directCompletion(bench: Bench) {
  const absent = async () => expect(await bench.store.head(bench.key())).toBeUndefined()

  /** An upload with one part, and how to sign its completion. Skips the test where there is no such completion. */
  async function arrange(context: Parameters<typeof needs>[0]) {
    const presignComplete = needs(context, bench.store.presignComplete)
    const { url, received } = needs(context, bench.subject.callbacks)
    const upload = await bench.uploadOf(text('hello'))
    const sign = (overwrite: ObjectSpec['overwrite'] = 'replace', validity = bench.validity()) =>
      presignComplete(upload, { urls: [url], token: 'token-1' }, { overwrite }, validity)
    return { upload, sign, received }
  }

  test('makes the object of all parts, and is reported once with the token', async (context) => {
    const { upload, sign, received } = await arrange(context)

    const answer = await send(sign())

    expect(answer.status).toBe(200)
    await bench.expectBytes(upload.key, text('hello'))
    expect(await bench.store.head(upload.key)).toMatchObject({ uploadId: 'upl_1' })
    expect(received).toHaveLength(1)
    const report = received[0]!
    expect(tokenOf(bench.store.verifyCallback(report))).toBe('token-1')
    expect(tokenOf(bench.store.readCallback(report))).toBe('token-1')
  })

  test('is bound in every parameter and header', async (context) => {
    const { upload, sign, received } = await arrange(context)
    const signed = sign('never')

    for (const { name, altered } of alterations(signed)) {
      const { status } = await send(altered)
      expect(`${status} ${name}`).toMatch(/^4/)
    }

    await absent()
    expect(await bench.listParts(upload)).toHaveLength(1)
    expect(received).toEqual([])
    expect((await send(signed)).status).toBe(200)
  })

  test('does not write over an object that it may not replace', async (context) => {
    const { upload, sign, received } = await arrange(context)
    await bench.put(text('first'))

    expectRefused(await send(sign('never')))

    await bench.expectBytes(upload.key, text('first'))
    expect(received).toEqual([])
  })

  test('ends with its validity', async (context) => {
    const { sign } = await arrange(context)

    expectRefused(await send(sign('replace', bench.expired())))

    await absent()
  })

  test('is believed only as the store reported it', async (context) => {
    const { sign, received } = await arrange(context)
    await send(sign())
    const report = received[0]!
    const body = text(new TextDecoder().decode(report.body).replace('token-1', 'token-2'))
    const unsigned = new Headers(report.headers)
    unsigned.delete('authorization')

    expect(bench.store.verifyCallback({ ...report, body })).toBeUndefined()
    expect(tokenOf(bench.store.readCallback({ ...report, body }))).toBe('token-2')
    const elsewhere = { ...report, rawPath: `${report.rawPath}/x` }
    expect(bench.store.verifyCallback(elsewhere)).toBeUndefined()
    expect(bench.store.verifyCallback({ ...report, headers: unsigned })).toBeUndefined()
  })
}
