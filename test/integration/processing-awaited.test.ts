// Targets that continue after the store's answer: asynchronous processing and transcoding jobs. The sweep polls them within
// bounds, until one event reports their end.
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Harness, startHarness } from '../support/harness.ts'
import { appWith, PREVIEW, type ProcessingApp, TRANSCODED } from '../support/processing/upload.ts'

let harness: Harness
let preview: ProcessingApp
let transcoded: ProcessingApp

beforeAll(async () => {
  harness = await startHarness({ processing: true })
  preview = await appWith(harness, [PREVIEW])
  transcoded = await appWith(harness, [TRANSCODED])
})
afterAll(async () => {
  await preview.receiver.close()
  await transcoded.receiver.close()
  await harness.stop()
})
// Lets whatever still runs end, together with its deliveries.
afterEach(async () => {
  harness.advance({ hours: 2 })
  await harness.sweep()
  await harness.deliver()
})

const store = () => harness.services.storeNamed('default')
const media = () => harness.processing!.media
const objects = () => harness.processing!.objects

async function scheduled() {
  await harness.sweep()
  await harness.deliver()
}

describe('an asynchronous target', () => {
  const begin = async () => {
    const upload = await preview.upload('video/quicktime')
    await harness.deliver()
    const key = `${preview.keyPrefix}/ada/${upload.id}/preview.mp4`
    const [owed] = await preview.owed(upload.id)
    return { ...upload, saveAs: key, owed: owed! }
  }

  it('is accepted, waited for, and done when its result is there', async () => {
    const upload = await begin()
    expect(upload.owed).toMatchObject({
      target: 'oss-async',
      state: 'running',
      processing: { name: 'preview', key: upload.saveAs, taskId: expect.any(String) },
      attempts: [{ status: 200 }],
    })
    expect(objects().calls.at(-1)!.body).toMatch(
      /^x-oss-async-process=video\/convert,f_mp4,vcodec_h264\|sys\/saveas,o_[\w-]+,b_YnVja2V0$/,
    )

    harness.advance({ minutes: 1 })
    await scheduled()
    expect(await preview.owed(upload.id)).toMatchObject([
      { state: 'running', attempts: [{ status: 200 }] },
    ])
    await objects().finishTasks()
    harness.advance({ minutes: 1 })
    await scheduled()
    await scheduled()

    const result = await store().head(upload.saveAs)
    const [told, ...more] = preview.receiver.about(upload.id)
    expect(more).toEqual([])
    expect(told!.event).toMatchObject({
      type: 'processing.completed',
      data: {
        upload: { id: upload.id, state: 'completed', revision: 3 },
        processing: {
          target: 'oss-async',
          taskId: upload.owed.processing.taskId,
          object: { key: upload.saveAs, etag: result!.etag, contentType: 'video/mp4' },
        },
      },
    })
    expect(await preview.owed(upload.id)).toMatchObject([
      { state: 'delivered', attempts: [{ status: 200 }, { status: 200 }] },
    ])
  })

  it('fails when its result is not there in the time that the rule allows', async () => {
    const upload = await begin()

    harness.advance({ minutes: 59 })
    await scheduled()
    expect(preview.receiver.about(upload.id)).toEqual([])
    harness.advance({ minutes: 2 })
    await scheduled()
    await scheduled()

    expect(preview.receiver.about(upload.id)).toMatchObject([
      {
        event: {
          type: 'processing.failed',
          data: { upload: { state: 'completed' }, processing: { reason: 'timed-out' } },
        },
      },
    ])
    expect(await preview.owed(upload.id)).toMatchObject([
      { state: 'failed', attempts: [{ status: 200 }, { reason: 'timed-out' }] },
    ])
  })

  it('continues if a replay is requested meanwhile', async () => {
    const upload = await begin()
    const before = objects().calls.length

    const path = `/v1/deliveries/${upload.owed.id}/replay`
    const { status } = await harness.call('POST', path, preview.apiKey)
    await harness.deliver()

    expect(status).toBe(202)
    expect(objects().calls).toHaveLength(before)
    expect(await preview.owed(upload.id)).toMatchObject([{ state: 'running' }])
  })

  it('does not count an earlier run’s result as a replay’s', async () => {
    const upload = await begin()
    await objects().finishTasks()
    harness.advance({ minutes: 1 })
    await scheduled()
    expect(preview.receiver.about(upload.id)).toHaveLength(1)

    await harness.call('POST', `/v1/deliveries/${upload.owed.id}/replay`, preview.apiKey)
    await harness.deliver()
    harness.advance({ minutes: 1 })
    await scheduled()
    expect(await preview.owed(upload.id)).toMatchObject([{ state: 'running' }])
    await objects().finishTasks()
    harness.advance({ minutes: 1 })
    await scheduled()

    const told = preview.receiver.about(upload.id).map(({ event }) => event)
    expect(told.map(({ type, data }) => [type, data.upload.revision])).toEqual([
      ['processing.completed', 3],
      ['processing.completed', 4],
    ])
  })

  it('is reported once if two sweeps poll at the same time', async () => {
    const uploads = await Promise.all([begin(), begin()])
    await objects().finishTasks()
    harness.advance({ minutes: 1 })

    await Promise.all([harness.sweep(), harness.sweep()])
    await harness.deliver()

    for (const { id } of uploads) expect(preview.receiver.about(id)).toHaveLength(1)
  })

  it('fails at once if the store refuses it', async () => {
    objects().denied.add('oss:PostProcessTask')
    onTestFinished(() => void objects().denied.clear())
    const upload = await begin()

    expect(upload.owed).toMatchObject({ state: 'failed', attempts: [{ reason: 'AccessDenied' }] })
    await harness.deliver()
    expect(preview.receiver.about(upload.id)).toHaveLength(1)
  })
})

describe('a media target', () => {
  const begin = async () => {
    const upload = await transcoded.upload('video/quicktime', 'film & ü.mov')
    await harness.deliver()
    const [owed] = await transcoded.owed(upload.id)
    const jobId = owed!.processing.taskId as string
    return { ...upload, owed: owed!, jobId }
  }
  const told = (id: string) => transcoded.receiver.about(id).map(({ event }) => event)

  it('submits a job, waits for it, and is done when the job is', async () => {
    const upload = await begin()
    const saveAs = `${transcoded.keyPrefix}/ada/${upload.id}/hd ü.mp4`
    expect(upload.owed).toMatchObject({ target: 'media', state: 'running' })
    expect(media().jobs.get(upload.jobId)).toMatchObject({ key: upload.key, saveAs })

    await media().finish(upload.jobId, 'Transcoding')
    harness.advance({ minutes: 1 })
    await scheduled()
    expect(await transcoded.owed(upload.id)).toMatchObject([{ state: 'running' }])
    await media().finish(upload.jobId, 'TranscodeSuccess')
    harness.advance({ minutes: 1 })
    await scheduled()
    await scheduled()

    const result = await store().head(saveAs)
    expect(told(upload.id)).toMatchObject([
      {
        type: 'processing.completed',
        data: {
          upload: { state: 'completed', revision: 3 },
          processing: {
            target: 'media',
            name: 'hd',
            taskId: upload.jobId,
            object: { key: saveAs, sizeBytes: result!.sizeBytes, etag: result!.etag },
          },
        },
      },
    ])
  })

  it('reports the name the service saved under, and nothing more if HEAD shows no object there', async () => {
    const [playlist, unseen] = [await begin(), await begin()]
    const job = (id: string) => media().jobs.get(id)!
    const named = `${job(playlist.jobId).saveAs}.m3u8`
    media().jobs.set(playlist.jobId, { ...job(playlist.jobId), saveAs: named })
    await media().finish(playlist.jobId, 'TranscodeSuccess')
    media().jobs.set(unseen.jobId, { ...job(unseen.jobId), state: 'TranscodeSuccess' })
    harness.advance({ minutes: 1 })
    await scheduled()

    const object = (id: string) => told(id)[0]!.data.processing.object
    expect(object(playlist.id)).toMatchObject({ key: named, sizeBytes: expect.any(Number) })
    expect(object(unseen.id)).toEqual({ key: job(unseen.jobId).saveAs })
  })

  it.each([
    ['TranscodeFail', 'InvalidInput', 'InvalidInput'],
    ['TranscodeFail', undefined, 'TranscodeFail'],
    ['TranscodeCancelled', undefined, 'TranscodeCancelled'],
  ] as const)('whose job ends as %s (%s) fails: %s', async (state, code, reason) => {
    const upload = await begin()
    await media().finish(upload.jobId, state, code)
    harness.advance({ minutes: 1 })
    await scheduled()
    await scheduled()

    expect(told(upload.id)).toMatchObject([
      { type: 'processing.failed', data: { processing: { reason, taskId: upload.jobId } } },
    ])
  })

  it('fails if its job is unknown, or does not end in time', async () => {
    const forgotten = await begin()
    media().jobs.delete(forgotten.jobId)
    const slow = await begin()
    harness.advance({ minutes: 1 })
    await scheduled()
    harness.advance({ minutes: 61 })
    await scheduled()

    expect(told(forgotten.id)).toMatchObject([{ data: { processing: { reason: 'job-unknown' } } }])
    expect(told(slow.id)).toMatchObject([{ data: { processing: { reason: 'timed-out' } } }])
  })

  it('polls again after a poll without an answer, which is not recorded as an attempt', async () => {
    const upload = await begin()
    harness.interceptStore((forward) => async (input, init) => {
      const headers = new Headers(init?.headers)
      if (headers.get('x-acs-action') === 'QueryJobList') {
        return Response.json({ Code: 'Throttling.User' }, { status: 400 })
      }
      return forward(input, init)
    })
    harness.advance({ minutes: 1 })
    await scheduled()
    harness.interceptStore((forward) => forward)

    expect(await transcoded.owed(upload.id)).toMatchObject([
      { state: 'running', attempts: [{ status: 200 }] },
    ])
    await media().finish(upload.jobId, 'TranscodeSuccess')
    harness.advance({ minutes: 1 })
    await scheduled()
    expect(told(upload.id)).toHaveLength(1)
  })

  it('is polled less often the longer it takes', async () => {
    await begin()
    const asked = media().asked()
    for (let minute = 0; minute < 58; minute++) {
      harness.advance({ minutes: 1 })
      await harness.sweep()
    }

    expect(media().asked() - asked).toBeGreaterThan(8)
    expect(media().asked() - asked).toBeLessThan(30)
  })

  it.each([
    ['pipelineId', 'InvalidPipeline.NotFound', 404],
    ['templateId', 'InvalidTemplate.NotFound', 200],
  ])('with an unknown %s fails at once: %s', async (field, reason, status) => {
    const other = await appWith(harness, [{ target: { ...TRANSCODED.target, [field]: 'unknown' } }])
    onTestFinished(other.receiver.close)
    const upload = await other.upload('video/mp4')
    await harness.deliver()

    expect(await other.owed(upload.id)).toMatchObject([
      { state: 'failed', attempts: [{ status, reason }] },
    ])
    await harness.deliver()
    expect(other.receiver.about(upload.id)).toMatchObject([
      { event: { type: 'processing.failed', data: { processing: { rule: 0, reason } } } },
    ])
  })

  it('submits again after a lost answer, with the same target, and is reported once', async () => {
    const before = media().jobs.size
    harness.interceptStore((forward) => async (input, init) => {
      const headers = new Headers(init?.headers)
      const answer = await forward(input, init)
      if (headers.get('x-acs-action') === 'SubmitJobs') throw new TypeError('cut')
      return answer
    })
    const upload = await transcoded.upload('video/mp4')
    await harness.deliver()
    harness.interceptStore((forward) => forward)
    harness.advance({ seconds: 10 })
    await harness.deliver()

    const jobs = [...media().jobs.entries()].slice(before)
    expect(jobs).toHaveLength(2)
    expect(jobs[0]![1].saveAs).toBe(jobs[1]![1].saveAs)
    for (const [id] of jobs) await media().finish(id, 'TranscodeSuccess')
    harness.advance({ minutes: 1 })
    await scheduled()
    await scheduled()
    expect(told(upload.id)).toHaveLength(1)
  })

  it('never shows a secret in the log', () => {
    const lines = harness.lines.join('\n')
    expect(lines).toContain('media running')
    expect(lines).not.toMatch(/test-secret-of-the-store|ACS3-HMAC|x-acs-/)
  })
})
