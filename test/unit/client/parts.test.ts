// Sending parts: an upload token that has expired is renewed, and a URL that lives shortly is used.
import { describe, expect, it } from 'vitest'
import { ApiProblem, type Call } from '../../../src/client/api.ts'
import { StorageUploadLost, sendParts } from '../../../src/client/parts.ts'

/** A service that signs URLs of this life for one token, and a store that accepts everything. */
function service({ valid, lifeMs }: { valid: string; lifeMs: number }) {
  const asked: string[] = []
  const call = (async (_method: string, _path: string, token: string, body: any) => {
    asked.push(token)
    if (token !== valid) throw new ApiProblem(401, { code: 'unauthenticated' })
    const parts = body.partNumbers.map((partNumber: number) => ({
      partNumber,
      method: 'PUT',
      url: `https://store.test/${partNumber}`,
      headers: {},
      sizeBytes: 1,
    }))
    const expiresAt = new Date(Date.now() + lifeMs).toISOString()
    return { status: 200, body: { parts, expiresAt }, retryAfterSeconds: undefined }
  }) as Call
  return { asked, call }
}

async function send(
  call: Call,
  renewToken: () => Promise<string>,
  partNumbers = [1],
  { single = false, answered = 200 } = {},
) {
  const sent: number[] = []
  await sendParts({
    call,
    uploadId: 'upl_1',
    uploadToken: 'old',
    single,
    renewToken,
    signed: [],
    partNumbers,
    read: async () => new Uint8Array(1),
    put: async () => ({ status: answered }),
    parallel: 2,
    onSent: (partNumber) => sent.push(partNumber),
  })
  return sent
}

it('an expired upload token is renewed once, and the upload goes on', async () => {
  const { asked, call } = service({ valid: 'new', lifeMs: 900_000 })
  const numbers = Array.from({ length: 25 }, (_, index) => index + 1)

  expect(await send(call, async () => 'new', numbers)).toHaveLength(25)
  expect(asked).toEqual(['old', 'new', 'new'])
})

it('a token that is refused after its renewal is a failure', async () => {
  const { asked, call } = service({ valid: 'never', lifeMs: 900_000 })

  await expect(send(call, async () => 'new')).rejects.toMatchObject({ status: 401 })
  expect(asked).toEqual(['old', 'new'])
})

it('URLs with a life below the margin are requested once and used', async () => {
  const { asked, call } = service({ valid: 'old', lifeMs: 20_000 })

  expect(await send(call, async () => 'new')).toEqual([1])
  expect(asked).toEqual(['old'])
})

describe('an answer of the store', () => {
  const answered = (status: number, single: boolean) =>
    send(service({ valid: 'old', lifeMs: 900_000 }).call, async () => 'new', [1], {
      single,
      answered: status,
    })

  it.each([409, 412])(
    '%i to a single PUT leaves it to the completion whose object it is',
    async (status) => {
      expect(await answered(status, true)).toEqual([])
      await expect(answered(status, false)).rejects.toThrow(`refused part 1 with ${status}`)
    },
  )

  it('404 to a part is a lost storage upload, and to a single PUT a refusal', async () => {
    await expect(answered(404, false)).rejects.toBeInstanceOf(StorageUploadLost)
    await expect(answered(404, true)).rejects.not.toBeInstanceOf(StorageUploadLost)
  })
})
