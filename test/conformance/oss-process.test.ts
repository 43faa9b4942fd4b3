// x-oss-process and x-oss-async-process: our bodies byte for byte, and the double that stands for OSS in our tests. The double
// accepts the official npm client's requests, and refuses wrong signatures and operations.
// @ts-expect-error ali-oss has no types; `Client` below declares what these tests use.
import OSS from 'ali-oss'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ossProcess, processBody } from '../../src/storage/oss/process.ts'
import { type Harness, startHarness } from '../support/harness.ts'

interface Client {
  put(name: string, content: Buffer, options: { mime: string }): Promise<unknown>
  get(name: string): Promise<{ content: Buffer; res: { headers: Record<string, string> } }>
  /** Resolves for refusals too. */
  processObjectSave(
    source: string,
    target: string,
    process: string,
    bucket?: string,
  ): Promise<{ res: { status: number; data: Buffer } }>
}

describe('the body of an operation', () => {
  it('is the documented example', () => {
    const work = { operation: 'image/resize,w_100', saveAs: 'test.jpg' }
    expect(processBody('x-oss-process', 'test', work)).toBe(
      'x-oss-process=image/resize,w_100|sys/saveas,o_dGVzdC5qcGc,b_dGVzdA',
    )
  })

  it('has key and bucket in base64url of UTF-8 without padding', () => {
    const work = { operation: 'video/convert,f_avi', saveAs: 'ü~~/>?.avi' }
    expect(processBody('x-oss-async-process', 'outbucket', work)).toBe(
      'x-oss-async-process=video/convert,f_avi|sys/saveas,o_w7x-fi8-Py5hdmk,b_b3V0YnVja2V0',
    )
  })
})

describe('an answer', () => {
  const WORK = { key: 'a', operation: 'image/resize,w_1', saveAs: 'b' }
  const answering = (body: string) =>
    ossProcess(async () => ({ status: 200, headers: new Headers(), body }), 'bucket')

  it.each(['', '{"bucket":"bucket","fileSize":3,"object":"b","status":"OK"}', '<html>'])(
    'of image processing that is %j is a success, for HEAD to prove',
    async (body) => {
      expect(await answering(body).image(WORK)).toBeUndefined()
    },
  )

  it('of image processing with another status is ambiguous', async () => {
    await expect(answering('{"status":"Failed"}').image(WORK)).rejects.toMatchObject({
      kind: 'ambiguous',
      code: 'not-saved',
    })
  })

  it('of asynchronous processing gives the id of the task, or leaves it open', async () => {
    const answer = '{"EventId":"e","RequestId":"r","TaskId":"t"}'
    expect(await answering(answer).async(WORK)).toBe('t')
    for (const body of ['', '{}', '{"TaskId":1}', '<html>']) {
      await expect(answering(body).async(WORK)).rejects.toMatchObject({
        kind: 'ambiguous',
        code: 'UnreadableAnswer',
      })
    }
  })
})

describe('the processing double', () => {
  const SOURCE = Buffer.from('not really a picture')
  let harness: Harness

  const client = (accessKeySecret = 'test-secret-of-the-store', endpoint?: string): Client =>
    new OSS({
      accessKeyId: 'test-key-id',
      accessKeySecret,
      endpoint: endpoint ?? harness.processing!.url,
      region: 'oss-local',
      bucket: 'bucket',
      authorizationV4: true,
      sldEnable: true,
    })

  beforeAll(async () => {
    harness = await startHarness({ processing: true })
    await client().put('pictures/a.png', SOURCE, { mime: 'image/png' })
    await client().put('texts/a.txt', SOURCE, { mime: 'text/plain' })
  })
  afterAll(() => harness.stop())

  it('forwards every other request, and saves the results that ali-oss asks for', async () => {
    const operation = 'image/resize,w_1/format,jpg'
    const { res } = await client().processObjectSave(
      'pictures/a.png',
      'pictures/ü.jpg',
      operation,
      'bucket',
    )

    const saved = await client().get('pictures/ü.jpg')
    expect(saved.content.toString()).toBe(`${operation}\n${SOURCE}`)
    expect(saved.res.headers['content-type']).toBe('image/jpg')
    expect([res.status, JSON.parse(res.data.toString())]).toEqual([
      200,
      { bucket: 'bucket', fileSize: saved.content.length, object: 'pictures/ü.jpg', status: 'OK' },
    ])
  })

  it.each([
    ['pictures/none.png', 'image/resize,w_1', 'bucket', 404, 'NoSuchKey'],
    ['texts/a.txt', 'image/resize,w_1', 'bucket', 400, 'BadRequest'],
    ['pictures/a.png', 'image/explode', 'bucket', 400, 'InvalidArgument'],
    ['pictures/a.png', 'video/convert,f_mp4', 'bucket', 400, 'InvalidArgument'],
    ['pictures/a.png', 'image/resize,w_1|sys/saveas,o_eA', 'bucket', 400, 'InvalidArgument'],
    ['pictures/a.png', 'image/resize,w_1', 'another-bucket', 403, 'AccessDenied'],
  ])('refuses %s with %s into %s: %i %s', async (key, operation, into, status, code) => {
    const { res } = await client().processObjectSave(key, 'pictures/c.png', operation, into)
    expect([res.status, res.data.toString()]).toEqual([
      status,
      expect.stringContaining(`<Code>${code}</Code>`),
    ])
  })

  it('refuses a signature by a wrong secret', async () => {
    const { res } = await client('another').processObjectSave(
      'pictures/a.png',
      'pictures/c.png',
      'image/resize,w_1',
    )
    expect([res.status, res.data.toString()]).toEqual([
      403,
      expect.stringContaining('SignatureDoesNotMatch'),
    ])
  })

  it('does what the embedded store refuses', async () => {
    const { res } = await client(undefined, harness.store.url).processObjectSave(
      'pictures/a.png',
      'pictures/c.png',
      'image/resize,w_1',
    )
    expect([res.status, res.data.toString()]).toEqual([
      400,
      expect.stringContaining('<Code>NotImplemented</Code>'),
    ])
  })
})
