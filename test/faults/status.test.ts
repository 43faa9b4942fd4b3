// One status request makes up to three store calls: for the parts, for the object, for a new storage upload. If any of them gets
// no answer, the client learns that the store failed and that it may ask again.
import { expect, it } from 'vitest'
import { useRaceField } from './race-field.ts'

const field = useRaceField()

it.each([
  ['the listing', 'GET'],
  ['the look for the object', 'HEAD'],
  ['the healing', 'POST'],
])(
  'a store that does not answer %s of what it has lost is named in the problem',
  async (_, method) => {
    const created = await field.sent()
    await field.lose(created)
    field.harness.interceptStore((forward) => async (input, init) => {
      if (init?.method === method) throw new TypeError('fetch failed')
      return forward(input, init)
    })

    const unanswered = await field.status(created)
    field.harness.interceptStore((forward) => forward)
    const answered = await field.status(created)

    expect(unanswered).toMatchObject({ status: 503, body: { code: 'storage-unavailable' } })
    expect(answered).toMatchObject({ status: 200, body: { state: 'open', healed: true } })
  },
)
