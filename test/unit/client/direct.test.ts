// Direct completion by our client: it believes a store's answer only if it is a 200 with the service's own body.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ApiProblem, type Call } from '../../../src/client/api.ts'
import { completeAtStore } from '../../../src/client/direct.ts'

const DIRECT = { method: 'POST', url: 'https://bucket.test/key?uploadId=1', headers: { a: 'b' } }
const WORD = JSON.stringify({ id: 'upl_1', state: 'completed' })

afterEach(() => vi.unstubAllGlobals())

/** The store's answer, then the service's answer when the client asks for the state. */
async function complete(answer: () => Promise<Response>, state = 'open') {
  const asked: string[] = []
  const call = (async (method: string, path: string) => {
    asked.push(`${method} ${path}`)
    const body = method === 'POST' ? { direct: DIRECT } : { state }
    return { status: 200, body, retryAfterSeconds: undefined }
  }) as Call
  vi.stubGlobal('fetch', answer)
  const options = { id: 'upl_1', token: 't', uploadToken: 'u' }
  return { completed: await completeAtStore(call, options), asked }
}

describe('after a direct completion', () => {
  it('the service’s own answer in a 200 is enough', async () => {
    const { completed, asked } = await complete(async () => new Response(WORD))

    expect(completed).toBe(true)
    expect(asked).toEqual(['POST /v1/uploads/upl_1/complete'])
  })

  it.each<[string, () => Promise<Response>]>([
    ['203, whatever it says', async () => new Response(WORD, { status: 203 })],
    ['200 without its word', async () => new Response('<CompleteMultipartUploadResult/>')],
    ['200 with another word', async () => new Response(WORD.replace('completed', 'completing'))],
    ['200 about another upload', async () => new Response(WORD.replace('upl_1', 'upl_2'))],
    ['404, as for a repeated completion', async () => new Response('', { status: 404 })],
    ['no answer', () => Promise.reject(new TypeError('cut'))],
  ])('%s makes it ask the service, which knows', async (_, answer) => {
    const unknown = await complete(answer)
    const known = await complete(answer, 'completed')

    expect(unknown.completed).toBe(false)
    expect(known.completed).toBe(true)
    expect(known.asked.at(-1)).toBe('GET /v1/uploads/upl_1')
  })

  it('after a definite no of the service, the client completes through the service', async () => {
    const call: Call = () => Promise.reject(new ApiProblem(403, { code: 'forbidden' }))

    const completed = await completeAtStore(call, { id: 'upl_1', token: 't', uploadToken: 'u' })

    expect(completed).toBe(false)
  })

  it('an aborted signal ends it', async () => {
    const call: Call = () => Promise.reject(new DOMException('aborted', 'AbortError'))
    const options = { id: 'upl_1', token: 't', uploadToken: 'u', signal: AbortSignal.abort() }

    await expect(completeAtStore(call, options)).rejects.toThrow('aborted')
  })
})
