// Forms that a browser posts: every field is bound, and the size of the file.
import { expect, test } from 'vitest'
import type { SignedForm } from '../../../src/core/ports/object-store.ts'
import { type Bench, expectChecksums, expectRefused, needs, send, text, tokenOf } from './bench.ts'

const SIZE = { least: 3, most: 5 }

export function forms(bench: Bench) {
  const post = ({ url, fields }: SignedForm, content: string) => {
    const form = new FormData()
    for (const [name, value] of Object.entries(fields)) form.append(name, value)
    form.append('file', new Blob([content], { type: 'text/html' }), 'file.html')
    return send({ method: 'POST', url, headers: {} }, form)
  }
  const absent = async () => expect(await bench.store.head(bench.key())).toBeUndefined()

  test('creates the object that it describes, whatever the file says', async (context) => {
    const presignForm = needs(context, bench.store.presignForm)
    const headers = { cacheControl: 'no-cache' }

    const answer = await post(presignForm(bench.spec({ headers }), SIZE, bench.validity()), 'abcd')

    expect(answer.status).toBe(200)
    const found = await bench.store.head(bench.key())
    expect(found).toMatchObject({
      sizeBytes: 4,
      contentType: 'text/plain',
      uploadId: 'upl_1',
      headers,
    })
    expectChecksums(bench.store, found, text('abcd'))
  })

  test('takes as many bytes as it says, both inclusive', async (context) => {
    const presignForm = needs(context, bench.store.presignForm)
    const form = presignForm(bench.spec(), SIZE, bench.validity())

    for (const content of ['ab', 'abcdef']) expectRefused(await post(form, content))
    await absent()

    for (const content of ['abc', 'abcde']) expect((await post(form, content)).status).toBe(200)
  })

  test('is bound in every field', async (context) => {
    const presignForm = needs(context, bench.store.presignForm)
    const object = bench.spec({ overwrite: 'never', headers: { cacheControl: 'no-cache' } })
    const form = presignForm(object, SIZE, bench.validity())

    for (const [name, value] of Object.entries(form.fields)) {
      const { [name]: _, ...without } = form.fields
      const changed = {
        ...form.fields,
        [name]: value.replace(/.$/, value.endsWith('0') ? '1' : '0'),
      }
      for (const fields of [changed, without]) {
        const { status } = await post({ ...form, fields }, 'abcd')
        expect(`${status} ${name}`).toMatch(/^4/)
      }
    }

    await absent()
    expect((await post(form, 'abcd')).status).toBe(200)
  })

  test('does not write over an object that it may not replace', async (context) => {
    const presignForm = needs(context, bench.store.presignForm)
    const form = presignForm(bench.spec({ overwrite: 'never' }), SIZE, bench.validity())
    await post(form, 'abcd')

    expectRefused(await post(form, 'evil'))

    await bench.expectBytes(bench.key(), text('abcd'))
  })

  test('ends with its validity', async (context) => {
    const presignForm = needs(context, bench.store.presignForm)

    expectRefused(await post(presignForm(bench.spec(), SIZE, bench.expired()), 'abcd'))

    await absent()
  })

  test('is reported, with its token', async (context) => {
    const presignForm = needs(context, bench.store.presignForm)
    const { url, received } = needs(context, bench.subject.callbacks)
    const callback = { urls: [url], token: 'token-1' }

    await post(presignForm(bench.spec(), SIZE, bench.validity(), callback), 'abcd')

    expect(received).toHaveLength(1)
    expect(tokenOf(bench.store.verifyCallback(received[0]!))).toBe('token-1')
  })
}
