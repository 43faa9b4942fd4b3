// SDKs that cannot be had here: their requests, as their sources write them, byte by byte over a raw socket. What is not
// in a source is not claimed: see `source` and `note` of each file in replays/.
import { createHmac } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { oss1StringToSign } from '../../src/signing/oss1.ts'
import {
  canonicalRequest,
  oss4DateTime,
  signature,
  signingKey,
  stringToSign,
} from '../../src/signing/oss4.ts'
import { PART_BYTES, useCountersign } from './countersign.ts'
import { type RawAnswer, sendRaw } from './raw-http.ts'

interface ReplayRequest {
  lines: string[]
  /** Sent after the lines, in place of what the test sends. */
  body?: string
}

interface Replay {
  client: string
  for: string
  signature: 'v1' | 'v4'
  source: string[]
  note: string
  /** What the SDK writes into a path unescaped, besides letters and digits. */
  pathKeeps: string
  requests: Record<'initiate' | 'part' | 'list' | 'complete' | 'abort', ReplayRequest> & {
    byUrl?: ReplayRequest
  }
}

const folder = join(import.meta.dirname, 'replays')
const REPLAYS = readdirSync(folder).map(
  (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Replay,
)

const countersign = useCountersign()

type Issued = Awaited<ReturnType<typeof countersign.credentials>>

const fill = (lines: readonly string[], values: Record<string, string>) =>
  lines.map((line) => line.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole))

function escapePath(key: string, keeps: string): string {
  return [...Buffer.from(key)]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      if (/[A-Za-z0-9]/.test(character) || keeps.includes(character)) return character
      return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

/** What the SDK's own signer makes of these lines. */
function signatureOf(replay: Replay, issued: Issued, lines: readonly string[], now: Date): string {
  const [method = '', target = ''] = lines[0]!.split(' ')
  const headers = Object.fromEntries(
    lines.slice(1).map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const query = [...new URLSearchParams(target.split('?')[1] ?? '')]
  const request = { method, bucket: issued.bucket, key: issued.key, query, headers }
  if (replay.signature === 'v1') {
    const toSign = oss1StringToSign(request, headers.date ?? '')
    return createHmac('sha1', issued.secretAccessKey).update(toSign).digest('base64')
  }
  const scope = { dateTime: oss4DateTime(now), region: issued.region }
  const key = signingKey(issued.secretAccessKey, scope)
  return signature(key, stringToSign(scope, canonicalRequest(request)))
}

function senderFor(replay: Replay, issued: Issued) {
  return async (
    operation: keyof Replay['requests'],
    values: Record<string, string> = {},
    body: Uint8Array = new Uint8Array(),
  ): Promise<RawAnswer> => {
    const now = new Date()
    const iso = oss4DateTime(now)
    const { lines: given, body: own } = replay.requests[operation]!
    const lines = fill(given, {
      ...values,
      bucket: issued.bucket,
      path: escapePath(issued.key, replay.pathKeeps),
      host: new URL(issued.endpoint).host,
      region: issued.region,
      accessKeyId: issued.accessKeyId,
      token: issued.sessionToken ?? '',
      length: String(body.length),
      rfc1123: now.toUTCString(),
      iso,
      day: iso.slice(0, 8),
    })
    const signed = fill(lines, { signature: signatureOf(replay, issued, lines, now) })
    expect(signed.filter((line) => /\{\w+\}/.test(line))).toEqual([])
    return sendRaw(issued.endpoint, signed, own === undefined ? body : Buffer.from(own))
  }
}

const elementOf = (name: string, { body }: RawAnswer) =>
  new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? ''

describe.each(REPLAYS)('$client for $for, replayed with signature $signature', (replay) => {
  test('uploads with credentials that we issued', async () => {
    const issued = await countersign.credentials()
    const send = senderFor(replay, issued)

    const initiated = await send('initiate')
    expect(initiated).toMatchObject({ status: 200 })
    const uploadId = elementOf('UploadId', initiated)
    const part = await send('part', { uploadId }, countersign.content)
    expect(part).toMatchObject({ status: 200 })
    const listed = await send('list', { uploadId })
    expect(listed).toMatchObject({ status: 200 })
    expect(elementOf('ETag', listed).replaceAll('&quot;', '"')).toBe(part.headers.etag)
    const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`
    expect(await send('complete', { uploadId }, Buffer.from(list))).toMatchObject({ status: 200 })

    expect((await countersign.complete(issued.uploadId)).body.state).toBe('completed')
    await countersign.expectStored(issued.uploadId)
  })

  test('aborts', async () => {
    const issued = await countersign.credentials()
    const send = senderFor(replay, issued)
    const uploadId = elementOf('UploadId', await send('initiate'))

    expect(await send('abort', { uploadId })).toMatchObject({ status: 204 })

    const listed = await send('list', { uploadId })
    expect([listed.status, elementOf('Code', listed)]).toEqual([404, 'NoSuchUpload'])
  })

  test('is refused with another secret', async () => {
    const issued = await countersign.credentials()
    const send = senderFor(replay, { ...issued, secretAccessKey: `${issued.secretAccessKey}x` })

    const refused = await send('initiate')

    expect([refused.status, elementOf('Code', refused)]).toEqual([403, 'SignatureDoesNotMatch'])
  })
})

describe.each(REPLAYS.filter(({ requests }) => requests.byUrl))('$client for $for', (replay) => {
  test('puts parts to URLs that we signed', async () => {
    const upload = await countersign.create()
    const [part] = upload.parts
    const { origin, host } = new URL(part.url)
    const content = countersign.content.subarray(0, PART_BYTES)
    const lines = fill(replay.requests.byUrl!.lines, {
      target: part.url.slice(origin.length),
      host,
      length: String(content.length),
    })

    expect(await sendRaw(origin, lines, content)).toMatchObject({ status: 200 })

    expect(await countersign.partsReceived(upload.key)).toBe(1)
  })
})

test('the auth-server provider for iOS gets the fields that it reads, by a plain GET', async () => {
  const { grant } = await countersign.grant()
  await countersign.credentials({}, grant)
  const { host } = new URL(countersign.url)

  const answer = await sendRaw(countersign.url, [
    `GET /oss/credentials/${grant} HTTP/1.1`,
    `Host: ${host}`,
  ])

  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.body)).toEqual({
    StatusCode: 200,
    AccessKeyId: expect.any(String),
    AccessKeySecret: expect.any(String),
    SecurityToken: expect.any(String),
    Expiration: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  })
})
