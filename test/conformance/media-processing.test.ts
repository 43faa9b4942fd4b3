// Media Processing: our requests are those of the official SDK, answers are read for what they say, and the double that
// stands for the service in our tests takes what the SDK signed and nothing else.
import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type MpsOptions, mps, readState, readSubmitted } from '../../src/storage/aliyun/mps.ts'
import { type ProcessingStore, startProcessingStore } from '../support/processing/server.ts'
import vectors from '../vectors/mps-requests.json' with { type: 'json' }

const { job, requests, accessKeyId, secretAccessKey } = vectors
const CREDENTIALS = { accessKeyId, secretAccessKey }
const EPOCH = new Date(requests[0]!.headers['x-acs-date'])

const minutesOff = (minutes: number) => () => new Date(EPOCH.getTime() + minutes * 60_000)

const client = (options: Partial<MpsOptions> & Pick<MpsOptions, 'fetch'>) =>
  mps({
    endpoint: `http://${vectors.host}`,
    bucket: job.bucket,
    region: job.region,
    credentials: CREDENTIALS,
    clock: () => EPOCH,
    newNonce: randomUUID,
    ...options,
  })

describe('a call', () => {
  const sent: Array<{ url: string; headers: Record<string, string>; body: unknown }> = []
  const answering: typeof fetch = async (url, init) => {
    const { headers, body } = init!
    sent.push({ url: String(url), headers: headers as Record<string, string>, body })
    return Response.json({
      JobResultList: { JobResult: [{ Success: true, Job: { JobId: 'j1' } }] },
      JobList: { Job: [{ JobId: 'j1', State: 'Transcoding' }] },
    })
  }
  beforeEach(() => void sent.splice(0))

  it.each(requests)(
    'of $action is what the official SDK sends',
    async ({ action, path, headers }) => {
      const calls = client({ fetch: answering })
      if (action === 'SubmitJobs') await calls.submit(job)
      else await calls.state('j1')

      expect(sent).toMatchObject([
        {
          url: `http://${vectors.host}${path}`,
          headers: {
            'x-acs-action': action,
            'x-acs-version': headers['x-acs-version'],
            'x-acs-date': headers['x-acs-date'],
            'x-acs-content-sha256': headers['x-acs-content-sha256'],
          },
          body: undefined,
        },
      ])
    },
  )

  it('carries the token of temporary credentials, signed', async () => {
    const credentials = { ...CREDENTIALS, sessionToken: 'a-token' }
    await client({ credentials, fetch: answering }).state('j1')

    expect(sent[0]!.headers['x-acs-security-token']).toBe('a-token')
    expect(sent[0]!.headers.authorization).toContain(';x-acs-security-token;')
  })
})

describe('an answer', () => {
  const result = (body: unknown) => ({ JobResultList: { JobResult: [body] } })
  const state = (body: unknown) => ({ JobList: { Job: [body] } })

  it('gives the id of a job that was accepted', () => {
    expect(readSubmitted(result({ Success: true, Job: { JobId: 'j1' } }))).toBe('j1')
  })

  it.each([
    [result({ Success: false, Code: 'InvalidParameter' }), 'refused', 'InvalidParameter'],
    [result({ Success: false, Code: 'Throttling.User' }), 'ambiguous', 'Throttling.User'],
    [result({ Success: false }), 'refused', 'JobRefused'],
    [result({ Success: true }), 'ambiguous', 'UnreadableAnswer'],
    [{ JobResultList: {} }, 'ambiguous', 'UnreadableAnswer'],
    [{}, 'ambiguous', 'UnreadableAnswer'],
  ])('%j is %s: %s', (answer, kind, code) => {
    expect(() => readSubmitted(answer)).toThrow(expect.objectContaining({ kind, code }))
  })

  it.each([
    [state({ State: 'Submitted' }), { state: 'running' }],
    [state({ State: 'Transcoding' }), { state: 'running' }],
    [state({ State: 'TranscodeSuccess' }), { state: 'done', key: undefined }],
    [
      state({ State: 'TranscodeSuccess', Output: { OutputFile: { Object: 'a%2Fb%20c.m3u8' } } }),
      { state: 'done', key: 'a/b c.m3u8' },
    ],
    [
      state({ State: 'TranscodeSuccess', Output: { OutputFile: { Object: '%' } } }),
      { state: 'done', key: undefined },
    ],
    [state({ State: 'TranscodeFail', Code: 'BadInput' }), { state: 'failed', code: 'BadInput' }],
    [state({ State: 'TranscodeFail' }), { state: 'failed', code: 'TranscodeFail' }],
    [state({ State: 'TranscodeCancelled' }), { state: 'failed', code: 'TranscodeCancelled' }],
    [{ NonExistJobIds: { String: ['j1'] } }, { state: 'failed', code: 'job-unknown' }],
  ])('%j means %j', (answer, expected) => {
    expect(readState(answer, 'j1')).toEqual(expected)
  })

  it.each([{}, { JobList: { Job: [] } }, state({ State: 'Other' }), state('text')])(
    '%j leaves it open',
    (answer) => {
      expect(() => readState(answer, 'j1')).toThrow(expect.objectContaining({ kind: 'ambiguous' }))
    },
  )

  it.each([
    [404, '{"Code":"InvalidPipeline.NotFound"}', 'refused', 'InvalidPipeline.NotFound'],
    [400, '{"Code":"Throttling.User"}', 'ambiguous', 'Throttling.User'],
    [403, '{"Message":"without a code"}', 'refused', 'Http403'],
    [403, '{"Code":', 'refused', 'Http403'],
    [500, '{"Code":"InternalError"}', 'ambiguous', 'InternalError'],
    [200, '<html>', 'ambiguous', 'UnreadableAnswer'],
    [200, '[]', 'ambiguous', 'UnreadableAnswer'],
  ])('of %i with %s is %s: %s', async (status, body, kind, code) => {
    const fetch = async () => new Response(body, { status })
    await expect(client({ fetch }).state('j1')).rejects.toMatchObject({ kind, code })
  })
})

describe('the double', () => {
  let double: ProcessingStore

  beforeEach(async () => {
    double = await startProcessingStore({
      // Nothing is read or saved here.
      storeUrl: 'http://127.0.0.1:9',
      bucket: job.bucket,
      region: job.region,
      ...CREDENTIALS,
      clock: () => EPOCH,
    })
    const { key, saveAs, templateId, pipelineId } = job
    double.media.pipelines.add(pipelineId)
    double.media.jobs.set('j1', { state: 'Transcoding', key, saveAs, templateId, pipelineId })
  })
  afterEach(() => double.close())

  /** With the Host that was signed, which fetch would not send. */
  const post = (path: string, headers: Record<string, string>) =>
    new Promise<{ status: number; body: Record<string, any> }>((resolve, reject) => {
      const { hostname, port } = new URL(double.url)
      const sent = request({ hostname, port, method: 'POST', path, headers }, (answer) => {
        let text = ''
        answer.on('data', (chunk) => {
          text += chunk
        })
        answer.on('end', () => resolve({ status: answer.statusCode!, body: JSON.parse(text) }))
      })
      sent.on('error', reject)
      sent.end()
    })

  it.each(requests)('takes what the official SDK signed for $action', async ({ path, headers }) => {
    const { status, body } = await post(path, headers)
    expect(status).toBe(200)
    expect(body.JobResultList ?? body.JobList).toMatchObject(
      body.JobResultList
        ? { JobResult: [{ Success: true, Job: { JobId: 'job1', State: 'Submitted' } }] }
        : { Job: [{ JobId: 'j1', State: 'Transcoding' }] },
    )
  })

  it.each(requests)('refuses $action altered on its way', async ({ path, headers }) => {
    const altered = [
      await post(`${path}1`, headers),
      await post(path, { ...headers, host: 'mts.test' }),
      await post(path, { ...headers, 'x-acs-signature-nonce': 'another' }),
      await post(path, { ...headers, 'x-acs-security-token': 'added' }),
    ]
    expect(altered.map(({ status, body }) => [status, body.Code])).toEqual([
      [400, 'SignatureDoesNotMatch'],
      [400, 'SignatureDoesNotMatch'],
      [400, 'SignatureDoesNotMatch'],
      [400, 'IncompleteSignature'],
    ])
  })

  it.each([
    ['with one nonce twice', { newNonce: () => 'once' }, 'SignatureNonceUsed'],
    ['from a clock that is late', { clock: minutesOff(-16) }, 'InvalidTimeStamp.Expired'],
    ['from a clock that is early', { clock: minutesOff(16) }, 'InvalidTimeStamp.Expired'],
    [
      'with another key',
      { credentials: { accessKeyId: 'other', secretAccessKey } },
      'InvalidAccessKeyId.NotFound',
    ],
    [
      'with another secret',
      { credentials: { accessKeyId, secretAccessKey: 'other' } },
      'SignatureDoesNotMatch',
    ],
    ['for another region', { region: 'cn-beijing' }, 'InvalidParameter.Input'],
    ['for another bucket', { bucket: 'other' }, 'InvalidParameter.Input'],
  ])('refuses a job %s', async (_, options, code) => {
    const calls = client({ endpoint: double.url, fetch, ...options })
    const twice = async () => {
      await calls.submit(job)
      await calls.submit(job)
    }
    await expect(twice()).rejects.toMatchObject({ kind: 'refused', code })
  })

  it.each([
    [{ ...job, pipelineId: 'none' }, 'InvalidPipeline.NotFound'],
    [{ ...job, templateId: 'none' }, 'InvalidTemplate.NotFound'],
  ])('refuses %j: %s', async (wanted, code) => {
    const calls = client({ endpoint: double.url, fetch })
    await expect(calls.submit(wanted)).rejects.toMatchObject({ kind: 'refused', code })
  })

  it('knows which jobs it does not know', async () => {
    const calls = client({ endpoint: double.url, fetch })
    expect(await calls.state('none')).toEqual({ state: 'failed', code: 'job-unknown' })
  })
})
