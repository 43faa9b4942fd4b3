// A running Countersign with its embedded store, an app whose clients may have credentials, and a random file.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { type Service, startService } from '../support/service.ts'

export const PART_BYTES = 128 * 1024
/** Four whole parts and a short one. */
export const FILE_BYTES = 4 * PART_BYTES + 17
export const PART_COUNT = 5
export const FILENAME = "a b ü文+&'(1)!~.bin"

/** Credentials and where they work: what `POST /v1/credentials` answers, and what the store's own file holds. */
export interface Account {
  endpoint: string
  region: string
  bucket: string
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | null
  /** The one key that issued credentials reach. */
  key?: string
}

type Json = Record<string, any>

export function useCountersign() {
  let service: Service
  let app: { id: string; apiKey: string }
  const context = {
    directory: '',
    file: '',
    content: new Uint8Array() as Uint8Array,
    url: '',
    /** The store's own key: what clients never have. */
    owner: undefined as unknown as Account,

    call: async (method: string, path: string, body?: Json, credential = app.apiKey) => {
      const answer = await fetch(`${service.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${credential}`,
          ...(body ? { 'content-type': 'application/json' } : {}),
        },
        body: body && JSON.stringify(body),
      })
      return { status: answer.status, body: (await answer.json()) as Json }
    },

    /** A new upload of the file in parts. */
    create: async (more: Json = {}) => {
      const { status, body } = await context.call('POST', '/v1/uploads', {
        subject: 'ada',
        filename: FILENAME,
        sizeBytes: FILE_BYTES,
        partSizeBytes: PART_BYTES,
        ...more,
      })
      return { status, ...body } as Json
    },

    /** Temporary credentials for a new upload of the file. */
    credentials: async (more: Json = {}, credential?: string) => {
      const input = { filename: FILENAME, sizeBytes: FILE_BYTES, ...more }
      const subject = credential === undefined ? { subject: 'ada' } : {}
      const answer = await context.call(
        'POST',
        '/v1/credentials',
        { ...subject, ...input },
        credential,
      )
      expect(answer.status, JSON.stringify(answer.body)).toBe(201)
      return answer.body as Json & Account & { uploadId: string; key: string }
    },

    /** Other credentials for the same upload. */
    credentialsAgain: async (uploadId: string) => {
      const { body } = await context.call('POST', '/v1/credentials', { uploadId })
      return body as Json & Account
    },

    grant: async (more: Json = {}) =>
      (await context.call('POST', '/v1/grants', { subject: 'ada', use: 'credentials', ...more }))
        .body as { id: string; grant: string },

    complete: (id: string) => context.call('POST', `/v1/uploads/${id}/complete`, {}),
    status: async (id: string) => (await context.call('GET', `/v1/uploads/${id}`)).body,

    /** The completed object, byte for byte the file. */
    expectStored: async (id: string): Promise<void> => {
      const answer = await fetch(`${service.url}/v1/uploads/${id}/object`, {
        headers: { authorization: `Bearer ${app.apiKey}` },
      })
      expect(answer.status).toBe(200)
      expect(Buffer.from(await answer.arrayBuffer()).equals(context.content)).toBe(true)
    },

    /** How often the store has accepted a part for the key, as its own log says. */
    partsReceived: async (key: string): Promise<number> => {
      const mark = randomBytes(8).toString('hex')
      await fetch(`${service.url}/healthz`, { headers: { 'x-request-id': mark } })
      // The log comes through the pipe of stderr, so everything before the mark has arrived once the mark has.
      while (!service.output().includes(mark)) await once(service.process.stderr!, 'data')
      return service
        .output()
        .split('\n')
        .filter((line) => line.includes('"operation":"UploadPart"'))
        .map((line) => JSON.parse(line) as Json)
        .filter((line) => line.key === key && line.status === 200).length
    },

    minted: async (policy: Json) => {
      const created = await fetch(`${service.url}/v1/apps`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${service.adminKey}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ name: 'sdks', policy }),
      })
      return (await created.json()) as { id: string; apiKey: string }
    },
  }

  beforeAll(async () => {
    context.directory = await mkdtemp(join(tmpdir(), 'countersign-sdks-'))
    context.file = join(context.directory, 'file.bin')
    context.content = randomBytes(FILE_BYTES)
    await writeFile(context.file, context.content)
    service = await startService({ environment: { LOG_LEVEL: 'debug' } })
    context.url = service.url
    context.owner = JSON.parse(await readFile(join(service.dataDir, 'store.json'), 'utf8'))
    app = await context.minted({ credentials: true, maxSizeBytes: 10 * FILE_BYTES })
  })

  afterAll(async () => {
    await service.stop()
    await rm(context.directory, { recursive: true, force: true })
  })

  return context
}

export type Countersign = ReturnType<typeof useCountersign>
