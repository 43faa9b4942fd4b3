// Our client completes directly at the store. It treats the store's answer as a hint and asks the service.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { upload } from '../../src/client/index.ts'
import { type Harness, someBytes, startHarness } from '../support/harness.ts'

const KiB = 1024

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
  app = await harness.createApp({ direct: true, partSizeBytes: 100 * KiB, singleMaxBytes: 0 })
})
afterAll(() => harness.stop())
afterEach(() => harness.interceptCallback((forward) => forward))

/** Uploads, and returns the calls to the service made after the parts. */
async function run(options: { direct: boolean; credential?: string } = { direct: true }) {
  const bytes = someBytes(250 * KiB)
  const calls: string[] = []
  const result = await upload(
    {
      name: 'a.bin',
      size: bytes.length,
      slice: async (from, to) => bytes.slice(from, to),
    },
    {
      url: 'http://countersign.test',
      credential: options.credential ?? app.apiKey,
      subject: options.credential ? undefined : 'ada',
      direct: options.direct,
      async fetch(input, init) {
        const { pathname } = new URL(String(input))
        calls.push(`${init?.method} ${pathname.split('/').slice(4).join('/')} ${init?.body ?? ''}`)
        return harness.app.request(String(input), init)
      },
    },
  )
  const session = await harness.services.uploads.find(app.id, result.id)
  return { calls: calls.slice(1).map((call) => call.trim()), session }
}

describe('a client that completes at the store', () => {
  it('asks the service for no more once the store has told its word', async () => {
    const { calls, session } = await run()

    expect(calls).toEqual(['POST complete {"mode":"direct"}'])
    expect(session).toMatchObject({ state: 'completed', direct: true })
  })

  it.each<[string, () => void]>([
    [
      '203, because nobody was reached',
      () => harness.interceptCallback(() => () => Promise.reject(new TypeError('no way there'))),
    ],
    [
      '203, because the service answered wrongly',
      () => harness.interceptCallback(() => async () => new Response('', { status: 502 })),
    ],
    [
      '200 with somebody else’s word',
      () =>
        harness.interceptCallback(() => async () => {
          const text = JSON.stringify({ id: 'upl_other', state: 'completed' })
          return new Response(text, { headers: { 'content-length': String(text.length) } })
        }),
    ],
    [
      '200 with less than "completed"',
      () =>
        harness.interceptCallback(() => async () => {
          return new Response('null', { headers: { 'content-length': '4' } })
        }),
    ],
  ])('takes %s for unknown, and asks', async (_, arrange) => {
    arrange()

    const { calls, session } = await run()

    expect(calls).toEqual(['POST complete {"mode":"direct"}', 'GET'])
    expect(session).toMatchObject({ state: 'completed' })
  })

  it('completes the other way where nothing came of it', async () => {
    const real = globalThis.fetch
    globalThis.fetch = async (input, init) => {
      if (String(input).includes('callback=')) throw new TypeError('the connection was cut')
      return real(input, init)
    }
    const { calls, session } = await run().finally(() => {
      globalThis.fetch = real
    })

    expect(calls).toEqual(['POST complete {"mode":"direct"}', 'GET', 'POST complete {}'])
    expect(session).toMatchObject({ state: 'completed' })
  })

  it('completes the other way where it does not want to', async () => {
    expect((await run({ direct: false })).calls).toEqual(['POST complete {}'])
  })
})
