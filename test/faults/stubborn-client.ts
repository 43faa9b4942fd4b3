// A client that keeps losing its connection and does not give up. After any answer it asks for the status and continues from
// there, with the same Idempotency-Key. It remembers every answer.
import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { KiB } from './commands.ts'

export type Wish = 'relayed' | 'direct' | 'abort'

export interface Tracked {
  number: number
  wish: Wish
  bytes: Uint8Array<ArrayBuffer>
  id?: string
  key?: string
  /** Ids returned for the Idempotency-Key. */
  ids: Set<string>
  /** True once an answer said that the upload is open, so that it can continue whatever dies. */
  wasOpen?: boolean
  /** Terminal states that it has seen. */
  told: Set<string>
  /** True once there is nothing more to do. */
  over?: boolean
}

export interface Reach {
  api: string
  apiKey: string
  /** The longest wait for an answer. */
  patienceMs: number
  /** How many whole answers arrived that did not ask to try again. */
  answers: number
}

const PART_SIZE = 100 * KiB
const ENDED = ['completed', 'aborted', 'expired', 'failed']

/** Not now: it is to be tried again. */
class Later extends Error {}

export function newUpload(number: number, next: (below: number) => number): Tracked {
  const wish = (['relayed', 'relayed', 'direct', 'direct', 'abort'] as const)[next(5)]!
  const size = [700, 110 * KiB, 250 * KiB, 0][next(4)]!
  const bytes = new Uint8Array(size)
  for (let index = 0, state = number + 1; index < size; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[index] = state >>> 24
  }
  return { number, wish, bytes, ids: new Set(), told: new Set() }
}

interface Heard {
  status: number
  text: string
  body: Record<string, any>
}

/** Sends one request over a new socket. Rejects if the answer does not arrive whole. */
function send(
  reach: Reach,
  url: string,
  method: string,
  headers: Record<string, string>,
  body?: string | Uint8Array,
): Promise<Heard> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const sent = request({
      host: hostname,
      port,
      method,
      // The path as it was signed: URL would not change it, but neither must we.
      path: url.slice(url.indexOf('/', 8)),
      headers: { ...headers, 'content-length': String(body?.length ?? 0) },
      agent: false,
      signal: AbortSignal.timeout(reach.patienceMs),
    })
    sent.on('error', reject)
    sent.on('response', (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('close', () => {
        if (!answer.complete) return reject(new Error('the answer was cut'))
        if (answer.statusCode! < 500) reach.answers++
        const text = Buffer.concat(chunks).toString('latin1')
        const isJson = answer.headers['content-type']?.includes('json')
        resolve({ status: answer.statusCode!, text, body: isJson ? JSON.parse(text) : {} })
      })
    })
    sent.end(body)
  })
}

const api = (
  reach: Reach,
  method: string,
  path: string,
  credential: string,
  body?: unknown,
  more = {},
) =>
  send(
    reach,
    `${reach.api}${path}`,
    method,
    {
      authorization: `Bearer ${credential}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...more,
    },
    body === undefined ? undefined : JSON.stringify(body),
  )

const putPart = (upload: Tracked, reach: Reach, part: any) =>
  send(
    reach,
    part.url,
    'PUT',
    part.headers,
    upload.bytes.subarray(
      (part.partNumber - 1) * PART_SIZE,
      (part.partNumber - 1) * PART_SIZE + part.sizeBytes,
    ),
  )

function hear(upload: Tracked, state: string | undefined): boolean {
  if (state === 'open') upload.wasOpen = true
  if (!state || !ENDED.includes(state)) return false
  upload.told.add(state)
  upload.over = true
  return true
}

async function begin(upload: Tracked, reach: Reach): Promise<void> {
  const body = {
    filename: 'film.bin',
    sizeBytes: upload.bytes.length,
    partSizeBytes: PART_SIZE,
    subject: `subject-${upload.number % 5}`,
  }
  const created = await api(reach, 'POST', '/v1/uploads', reach.apiKey, body, {
    'idempotency-key': `key-${upload.number}`,
  })
  if (created.status > 201) throw new Later(created.text)
  upload.id = created.body.id as string
  upload.key = created.body.key
  upload.ids.add(upload.id)
  hear(upload, created.body.state)
}

/** One attempt at the whole upload. Throws Later, or a network error. */
export async function goOn(upload: Tracked, reach: Reach): Promise<void> {
  if (!upload.id) await begin(upload, reach)
  if (upload.over) return
  const path = `/v1/uploads/${upload.id}`
  const status = await api(reach, 'GET', path, reach.apiKey)
  if (status.status !== 200) throw new Later(status.text)
  if (hear(upload, status.body.state)) return
  if (status.body.state === 'completing') {
    // The process that began it may be dead. Asking again takes it over once its lease ends.
    const again = await api(reach, 'POST', `${path}/complete`, reach.apiKey, {})
    if (hear(upload, again.body.state)) return
    throw new Later(again.text)
  }
  const missing = status.body.missing as Array<[number, number]>
  const numbers = missing.flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index),
  )
  if (numbers.length && upload.bytes.length) {
    const token = status.body.uploadToken
    const signed = await api(reach, 'POST', `${path}/parts`, token, { partNumbers: numbers })
    if (signed.status !== 200) throw new Later(signed.text)
    for (const part of signed.body.parts) {
      const put = await putPart(upload, reach, part)
      if (put.status !== 200 && put.status !== 409) throw new Later(put.text)
    }
  }
  if (upload.wish === 'abort') {
    const aborted = await api(reach, 'DELETE', path, reach.apiKey)
    if (!hear(upload, aborted.body.state)) throw new Later(aborted.text)
    return
  }
  await complete(upload, reach, path)
}

async function complete(upload: Tracked, reach: Reach, path: string): Promise<void> {
  if (upload.wish === 'direct' && upload.bytes.length > 100 * KiB) {
    const { body } = await api(reach, 'POST', `${path}/complete`, reach.apiKey, { mode: 'direct' })
    if (body.direct) {
      const { url, method, headers } = body.direct
      const answer = await send(reach, url, method, headers)
      if (answer.status === 200 && hear(upload, answer.body.state)) return
    }
    // "Ask the server": the object may exist although no answer said so.
  }
  const answer = await api(reach, 'POST', `${path}/complete`, reach.apiKey, {})
  if (!hear(upload, answer.status === 200 ? answer.body.state : undefined)) {
    throw new Later(answer.text)
  }
}

/** MD5 of the object, read back through a signed URL. */
export async function readBack(upload: Tracked, reach: Reach): Promise<string> {
  const url = await new Promise<string>((resolve, reject) => {
    const asked = request(`${reach.api}/v1/uploads/${upload.id}/object`, {
      headers: { authorization: `Bearer ${reach.apiKey}` },
      agent: false,
    })
    asked.on('error', reject)
    asked.on('response', (answer) => {
      answer.resume()
      if (answer.headers.location) resolve(answer.headers.location)
      else reject(new Error(`${upload.id} cannot be read back: ${answer.statusCode}`))
    })
    asked.end()
  })
  const { text, status } = await send(reach, url, 'GET', {})
  return status === 200 ? md5(Buffer.from(text, 'latin1')) : `status ${status}`
}

export const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex')
