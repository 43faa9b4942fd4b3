// URLs named by tenants, on Node: the resolved address is checked when the connection is opened.
import type { lookup } from 'node:dns'
import { afterEach, expect, it } from 'vitest'
import { guardedFetch } from '../../../src/node/guarded-fetch.ts'
import { startReceiver } from '../../support/receiver.ts'

const ends: Array<() => unknown> = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

const reason = (error: Error) => error.message

/** A resolver that returns the next of these addresses at each query. */
function resolving(...answers: string[][]) {
  const asked: string[] = []
  const resolve = (
    name: string,
    _options: unknown,
    callback: (error: null, addresses: Array<{ address: string; family: number }>) => void,
  ) => {
    const addresses = answers[asked.push(name) - 1] ?? answers.at(-1)!
    callback(
      null,
      addresses.map((address) => ({ address, family: 4 })),
    )
  }
  return { asked, resolve: resolve as unknown as typeof lookup }
}

function open(allowPrivate: boolean, resolve: typeof lookup) {
  const { fetch, close } = guardedFetch({ allowPrivate }, resolve)
  ends.push(close)
  return fetch
}

it.each(['127.0.0.1', '10.0.0.1', '169.254.169.254', '100.100.100.200'])(
  'a name that resolves to %s is not connected to',
  async (address) => {
    const { asked, resolve } = resolving([address])

    const refused = await open(false, resolve)('https://issuer.example/jwks.json').catch(reason)

    expect(refused).toBe('the name resolves to no allowed address')
    expect(asked).toEqual(['issuer.example'])
  },
)

it('a name is checked at each connection, not once', async () => {
  const receiver = await startReceiver()
  ends.push(receiver.stop)
  const { resolve } = resolving(['127.0.0.1'], ['169.254.169.254'])
  const fetchFrom = open(true, resolve)
  const url = receiver.url.replace('127.0.0.1', 'rebinding.example')
  const first = await fetchFrom(url, { method: 'POST', headers: { connection: 'close' } })
  expect(first.status).toBe(204)

  const refused = await fetchFrom(url, { method: 'POST' }).catch(reason)

  expect(refused).toBe('the name resolves to no allowed address')
  expect(receiver.received).toHaveLength(1)
})

it('an address in the URL is refused too, although it is never resolved', async () => {
  const { asked, resolve } = resolving(['8.8.8.8'])

  await expect(open(false, resolve)('https://127.0.0.1/')).rejects.toThrow(
    'its host is not allowed',
  )

  expect(asked).toEqual([])
})
