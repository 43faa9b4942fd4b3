// Official OSS clients as programs that read one JSON job and print one JSON answer, and what each of them has to show
// against an embedded store and URLs signed by us. `install.sh` puts them into .sdks/.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StoredPart } from '../../src/core/ports.ts'
import type { Oss4Credentials } from '../../src/signing/oss4.ts'
import { type EmbeddedStore, startEmbeddedStore } from '../../src/storage/embedded/index.ts'
import { oss } from '../../src/storage/oss/index.ts'
import { ossSigner } from '../../src/storage/oss/sign.ts'

export const BUCKET = 'uploads-bucket'
export const REGION = 'cn-hangzhou'
export const OWN_KEY: Oss4Credentials = { accessKeyId: 'test-key', secretAccessKey: 'test-secret' }
export const PART_BYTES = 128 * 1024
/** Four whole parts and a short one. */
export const FILE_BYTES = 4 * PART_BYTES + 17

export const SDKS = join(import.meta.dirname, '../../.sdks')

export type Job = { action: string } & Record<string, unknown>
export type Answer = Record<string, any> & {
  error?: { code: string; status: number; message: string }
}
export type Driver = (job: Job) => Promise<Answer>

/** Runs a program to its end. */
export async function run(
  command: string,
  options: { input?: string; cwd?: string; env?: Record<string, string> } = {},
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { input = '', cwd, env } = options
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env } })
  const exit = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  return { code, stdout, stderr }
}

export const driver =
  (command: string, ...args: string[]): Driver =>
  async (job) => {
    const { code, stdout, stderr } = await run(command, { input: JSON.stringify(job) }, ...args)
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${stderr}`)
    return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Answer
  }

/** A store and a random file for the tests of one file. `credentials` are those that clients use. */
export function useStore() {
  const context = {
    store: undefined as unknown as EmbeddedStore,
    directory: '',
    file: '',
    content: new Uint8Array() as Uint8Array,
    credentials: OWN_KEY,
    requests: [] as Record<string, unknown>[],

    /** The account that every job of a client has to name. */
    account: (credentials: Oss4Credentials, signature: 'v1' | 'v4' = 'v4') => ({
      endpoint: context.store.url,
      region: REGION,
      bucket: BUCKET,
      ...credentials,
      signature,
    }),

    /** How often the store has accepted a part for the key. */
    partsReceived: (key: string): number =>
      context.requests.filter(
        (line) => line.operation === 'UploadPart' && line.key === key && line.status === 200,
      ).length,

    /** Our own view of the store. */
    dialect: () =>
      oss({
        name: 'embedded',
        bucket: BUCKET,
        region: REGION,
        credentials: OWN_KEY,
        endpoint: { url: context.store.url, addressing: 'path' },
        publicEndpoint: { url: context.store.url, addressing: 'path' },
        clock: () => new Date(),
        fetch,
        bindLength: true,
        verifyCallback: () => false,
        parseCallbackBody: () => undefined,
      }),

    read: async (key: string): Promise<Buffer> => {
      const validity = { from: new Date(), seconds: 60 }
      const { url } = context.dialect().presignGet(key, 'file', validity)
      const answer = await fetch(url)
      expect(answer.status).toBe(200)
      return Buffer.from(await answer.arrayBuffer())
    },

    expectStored: async (key: string): Promise<void> => {
      expect((await context.read(key)).equals(context.content)).toBe(true)
    },
  }

  beforeAll(async () => {
    context.directory = await mkdtemp(join(tmpdir(), 'countersign-sdks-'))
    context.file = join(context.directory, 'file.bin')
    context.content = randomBytes(FILE_BYTES)
    await writeFile(context.file, context.content)
    context.store = await startEmbeddedStore({
      directory: join(context.directory, 'store'),
      host: '127.0.0.1',
      port: 0,
      bucket: BUCKET,
      region: REGION,
      ...OWN_KEY,
      clock: () => new Date(),
      fetch,
      log: (_level, message, fields) => {
        if (message === 'request') context.requests.push(fields ?? {})
      },
    })
  })

  afterAll(async () => {
    await context.store.close()
    await rm(context.directory, { recursive: true, force: true })
  })

  return context
}

/** The part ranges of the file. */
const PARTS = Array.from({ length: Math.ceil(FILE_BYTES / PART_BYTES) }, (_, index) => ({
  partNumber: index + 1,
  offset: index * PART_BYTES,
  sizeBytes: Math.min(PART_BYTES, FILE_BYTES - index * PART_BYTES),
}))

/** The promises that every client keeps. */
export function describeClient(name: string, drive: Driver): void {
  describe(name, () => {
    const context = useStore()
    const keyOf = (title: string) => `clips/${title}/a b ü文+&'(1)!*~.bin`
    const uploadJob = (
      action: string,
      key: string,
      credentials: Oss4Credentials,
      signature: 'v1' | 'v4',
    ): Job => ({
      action,
      ...context.account(credentials, signature),
      key,
      file: context.file,
      partSizeBytes: PART_BYTES,
    })

    test('puts every part to the URL that we signed for its exact length', async () => {
      const key = keyOf('put-url')
      const store = context.dialect()
      const storageUploadId = await store.initiate({
        key,
        uploadId: 'upl_1',
        contentType: 'video/mp4',
        overwrite: 'never',
      })
      const upload = { key, storageUploadId }
      const signed = store.presignParts(upload, PARTS, { from: new Date(), seconds: 900 })

      const answers = await Promise.all(
        signed.map(({ url, headers }, index) =>
          drive({ action: 'put-url', url, headers, file: context.file, ...PARTS[index] }),
        ),
      )

      const listed: StoredPart[] = []
      for await (const page of store.listParts(upload)) listed.push(...page)
      expect(answers).toEqual(listed.map(({ etag }) => ({ status: 200, etag })))
      expect(listed.map(({ sizeBytes }) => sizeBytes)).toEqual(PARTS.map((part) => part.sizeBytes))
      await store.complete(upload, listed, { overwrite: 'never' })
      expect(await store.head(key)).toMatchObject({
        sizeBytes: FILE_BYTES,
        contentType: 'video/mp4',
        uploadId: 'upl_1',
      })
      await context.expectStored(key)
    })

    test.each(['v4', 'v1'] as const)('uploads in parts with signature %s', async (signature) => {
      const key = keyOf(`upload-${signature}`)

      const answer = await drive(uploadJob('upload', key, context.credentials, signature))

      expect(answer).toEqual({ etag: (await context.dialect().head(key))?.etag })
      expect(answer.etag).toMatch(/-5$/)
      await context.expectStored(key)
    })

    test.each(['v4', 'v1'] as const)(
      'resumes an interrupted upload with signature %s, sending no stored part again',
      async (signature) => {
        const key = keyOf(`resume-${signature}`)

        const answer = await drive(uploadJob('resume', key, context.credentials, signature))

        const { etag } = (await context.dialect().head(key)) ?? {}
        expect(answer).toEqual({ resumed: true, partsBefore: [1, 2], etag })
        expect(context.partsReceived(key)).toBe(PARTS.length)
        await context.expectStored(key)
      },
    )

    test.each(['v4', 'v1'] as const)('aborts an upload with signature %s', async (signature) => {
      const key = keyOf(`abort-${signature}`)

      const answer = await drive(uploadJob('abort', key, context.credentials, signature))

      expect(answer).toEqual({ code: 'NoSuchUpload' })
      expect(await context.dialect().listUploads(key)).toEqual([])
    })

    test('is told about a wrong secret', async () => {
      const wrong = { ...context.credentials, secretAccessKey: 'wrong' }

      const answer = await drive(uploadJob('upload', keyOf('wrong'), wrong, 'v4'))

      expect(answer.error).toMatchObject({ code: 'SignatureDoesNotMatch' })
    })

    test.each([
      { title: 'a long-lived key', sessionToken: undefined },
      { title: 'a session token', sessionToken: 'CAIS+/a token==' },
    ])('signs a part URL exactly as we do with $title', async ({ sessionToken }) => {
      const key = keyOf('presign')
      const credentials = { ...OWN_KEY, sessionToken }
      const target = { uploadId: '0004B9894A22E5B1888A1E29F8236E2D', partNumber: 7 }

      const { url = '' } = await drive({
        action: 'presign-part',
        ...context.account(credentials),
        key,
        ...target,
        expiresSeconds: 3600,
      })

      const theirs = readUrl(url)
      const seconds = Number(theirs.query['x-oss-expires'])
      // A client may take a moment between the choice of the end and that of the beginning.
      expect(seconds).toBeGreaterThanOrEqual(3598)
      expect(seconds).toBeLessThanOrEqual(3600)
      const signer = ossSigner({
        bucket: BUCKET,
        region: REGION,
        credentials,
        endpoint: { url: context.store.url, addressing: 'path' },
        publicEndpoint: { url: context.store.url, addressing: 'path' },
      })
      const ours = signer.byQuery(
        {
          method: 'PUT',
          key,
          query: [
            ['partNumber', String(target.partNumber)],
            ['uploadId', target.uploadId],
          ],
        },
        { from: readDate(theirs.query['x-oss-date']), seconds },
      )
      expect(theirs).toEqual(readUrl(ours.url))
    })
  })
}

function readUrl(url: string) {
  const { origin, pathname, searchParams } = new URL(url)
  return { origin, path: decodeURIComponent(pathname), query: Object.fromEntries(searchParams) }
}

/** From `20231216T162057Z`. */
function readDate(text = ''): Date {
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  return new Date(iso)
}
