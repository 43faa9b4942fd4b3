// Processing rules as an operator writes them, deliveries as a backend reads them, and a store without processing.
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ADMIN_KEY, type Harness, startHarness } from '../support/harness.ts'
import { appWith, PREVIEW, THUMBNAIL, TRANSCODED } from '../support/processing/upload.ts'

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
  app = await harness.createApp()
})
afterAll(() => harness.stop())

const put = (processing: unknown, name = 'with-rules') =>
  harness.call('PUT', `/v1/apps/${app.id}/policies/${name}`, ADMIN_KEY, { processing })

describe('a policy', () => {
  it('keeps its rules as they were written', async () => {
    const rules = [THUMBNAIL, PREVIEW, TRANSCODED]
    expect(await put(rules)).toMatchObject({ status: 200, body: { policy: { processing: rules } } })
  })

  it('may save the results of different uploads under one template', async () => {
    const { keyTemplate } = THUMBNAIL.target
    const frame = { ...PREVIEW, target: { ...PREVIEW.target, keyTemplate } }
    expect((await put([THUMBNAIL, frame])).status).toBe(200)
  })

  const image = THUMBNAIL.target
  it.each([
    [[{}], '/processing/0/target'],
    [[THUMBNAIL, { target: { ...image, type: 'https' } }], '/processing/1/target/type'],
    [[{ target: { ...image, url: 'https://x' } }], '/processing/0/target'],
    [[{ target: { ...image, operation: 'video/convert' } }], '/processing/0/target/operation'],
    [
      [{ target: { ...image, operation: 'image/resize,w_1|sys/saveas,o_eA' } }],
      '/processing/0/target/operation',
    ],
    [[{ target: { ...image, operation: undefined } }], '/processing/0/target/operation'],
    [[{ target: { ...image, keyTemplate: '{filename}' } }], '/processing/0/target/keyTemplate'],
    [[{ target: { ...image, keyTemplate: '../{uploadId}' } }], '/processing/0/target/keyTemplate'],
    [[{ target: { ...image, maxSeconds: 60 } }], '/processing/0/target'],
    [[{ target: { ...PREVIEW.target, maxSeconds: 59 } }], '/processing/0/target/maxSeconds'],
    [[{ target: { ...TRANSCODED.target, pipelineId: 'a b' } }], '/processing/0/target/pipelineId'],
    [[{ target: { ...TRANSCODED.target, templateId: '' } }], '/processing/0/target/templateId'],
    [[{ ...THUMBNAIL, name: 'Not so' }], '/processing/0/name'],
    [[{ ...THUMBNAIL, when: { contentTypes: [] } }], '/processing/0/when/contentTypes'],
    [[{ ...THUMBNAIL, when: { contentTypes: ['png'] } }], '/processing/0/when/contentTypes/0'],
    [[{ ...THUMBNAIL, when: { suffix: '.png' } }], '/processing/0/when'],
    [
      [THUMBNAIL, { ...THUMBNAIL, target: { ...image, keyTemplate: '{uploadId}/b' } }],
      '/processing/1/name',
    ],
    [[THUMBNAIL, { target: image }], '/processing/1/target/keyTemplate'],
    [Array.from({ length: 11 }, () => THUMBNAIL), '/processing'],
  ])('names what is wrong with %j', async (rules, pointer) => {
    const { status, body } = await put(rules)
    expect([status, body.code]).toEqual([400, 'invalid-request'])
    expect(body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
  })

  it('is refused with a new app as well', async () => {
    const policy = { processing: [{ target: { ...image, keyTemplate: 'x' } }] }
    const { status, body } = await harness.call('POST', '/v1/apps', ADMIN_KEY, {
      name: 'a',
      policy,
    })
    expect([status, body.errors[0].pointer]).toEqual([
      400,
      '/policy/processing/0/target/keyTemplate',
    ])
  })

  it('that names a store which does not process is refused', async () => {
    const { process } = harness.services.storeNamed('default')
    Object.assign(harness.services.storeNamed('default'), { process: undefined })
    onTestFinished(() => void Object.assign(harness.services.storeNamed('default'), { process }))

    expect(await put([THUMBNAIL])).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/processing' }] },
    })
    const policy = { processing: [THUMBNAIL] }
    expect(await harness.call('POST', '/v1/apps', ADMIN_KEY, { name: 'a', policy })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/policy/processing' }] },
    })
  })

  it('refuses an upload whose key a result would take, and reserves nothing for it', async () => {
    await put([THUMBNAIL], 'images')
    const create = (filename: string) =>
      harness.call('POST', '/v1/uploads', app.apiKey, {
        subject: 'ada',
        policy: 'images',
        filename,
        sizeBytes: 10,
        contentType: 'image/webp',
      })

    expect(await create('thumbnail.webp')).toMatchObject({
      status: 400,
      body: { code: 'invalid-request', errors: [{ pointer: '/filename' }] },
    })
    expect((await harness.call('GET', '/v1/uploads', app.apiKey)).body.uploads).toEqual([])
    expect((await create('thumbnail.png')).status).toBe(201)
  })

  it('that is changed later does not affect an upload that began before', async () => {
    const own = await appWith(harness, [THUMBNAIL])
    onTestFinished(own.receiver.close)
    const { body } = await harness.call('POST', '/v1/uploads', own.apiKey, {
      subject: 'ada',
      filename: 'a.png',
      contentType: 'image/png',
      sizeBytes: 0,
    })
    await harness.call('PUT', `/v1/apps/${own.id}/policies/default`, ADMIN_KEY, {})
    await harness.call('POST', `/v1/uploads/${body.id}/complete`, body.completionToken, {})

    expect(await own.owed(body.id)).toMatchObject([{ processing: { name: 'thumbnail' } }])
  })
})

describe('the embedded store', () => {
  it('refuses every target clearly, and the upload stays completed', async () => {
    const own = await appWith(harness, [
      THUMBNAIL,
      { target: { ...PREVIEW.target, operation: 'image/resize,w_1' } },
      { target: TRANSCODED.target },
    ])
    onTestFinished(own.receiver.close)
    const upload = await own.upload('image/png')
    await harness.deliver()
    await harness.deliver()

    expect(
      (await own.owed(upload.id)).map(({ target, state, attempts }) => [target, state, attempts]),
    ).toMatchObject([
      ['oss-image', 'failed', [{ status: 400, reason: 'NotImplemented' }]],
      ['oss-async', 'failed', [{ status: 400, reason: 'NotImplemented' }]],
      ['media', 'failed', [{ status: 404, reason: 'InvalidAction.NotFound' }]],
    ])
    const told = own.receiver.about(upload.id).map(({ event }) => event)
    expect(told.map(({ type }) => type)).toEqual(Array(3).fill('processing.failed'))
    expect(told.map(({ data }) => data.upload.revision).sort()).toEqual([3, 4, 5])
    for (const { data } of told) expect(data.processing.detail).toContain('embedded store')
    expect(await own.session(upload.id)).toMatchObject({ state: 'completed', revision: 5 })
  })
})

describe('deliveries of an upload', () => {
  it('are listed with the webhooks, newest first and in pages, for the app alone', async () => {
    const own = await appWith(harness, [THUMBNAIL])
    onTestFinished(own.receiver.close)
    const upload = await own.upload('image/png')
    await harness.deliver()
    await harness.deliver()
    const path = `/v1/uploads/${upload.id}/deliveries`
    const first = await harness.call('GET', `${path}?limit=1`, own.apiKey)
    const cursor = first.body.nextCursor
    const second = await harness.call('GET', `${path}?limit=1&cursor=${cursor}`, own.apiKey)

    expect(first.body.deliveries).toMatchObject([
      { target: 'webhook', type: 'processing.failed', endpointId: expect.any(String) },
    ])
    expect(second.body.deliveries).toMatchObject([
      { target: 'oss-image', type: 'upload.completed', processing: { name: 'thumbnail' } },
    ])
    expect(first.body.deliveries[0]).not.toHaveProperty('processing')
    expect(await harness.call('GET', path, app.apiKey)).toMatchObject({
      status: 404,
      body: { code: 'upload-not-found' },
    })
    const [delivery] = second.body.deliveries
    const replay = await harness.call('POST', `/v1/deliveries/${delivery.id}/replay`, app.apiKey)
    expect([replay.status, replay.body.code]).toEqual([404, 'not-found'])
    expect((await harness.call('GET', path)).status).toBe(401)
  })
})
