// A new embedded store for each test, a clock that the test moves, and requests that are signed or sent byte by byte.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { percentEncodePath } from '../../src/bytes/encoding.ts'
import { type EmbeddedStore, startEmbeddedStore } from '../../src/embedded/store/index.ts'
import type { StoreLimits } from '../../src/embedded/store/unverified.ts'
import {
  type Oss4Credentials,
  type Oss4Request,
  oss4DateTime,
  signHeaders,
  signQuery,
} from '../../src/signing/oss4.ts'

export const BUCKET = 'test-bucket'
export const CREDENTIALS: Oss4Credentials = { accessKeyId: 'key-id', secretAccessKey: 'secret' }

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  bytes: Buffer
  text: string
  /** The code in an error body. */
  code?: string
}

export interface RawRequest {
  method: string
  path: string
  headers?: Record<string, string>
  body?: Uint8Array | string
}

export interface SignedRequest {
  query?: Record<string, string>
  headers?: Record<string, string>
  body?: Uint8Array | string
  /** Sign the query instead of the headers. */
  expiresSeconds?: number
  additionalHeaders?: string[]
}

/** Starts a store before each test of the file and removes it afterwards. */
export function useEmbeddedStore() {
  const lines: string[] = []
  /** All stores of a file share one key, because generating it takes a third of a second. */
  let callbackKey: Buffer | undefined
  const context = {
    store: undefined as unknown as EmbeddedStore,
    directory: '',
    now: new Date(),
    /** The address to bind. */
    host: '127.0.0.1',
    lines,
    /** Sends the callbacks, instead of the store's own fetch. */
    fetch: undefined as typeof fetch | undefined,
    /** URLs of the service that owns the store. */
    serviceUrls: undefined as readonly string[] | undefined,
    /** Override the store's own limits. */
    limits: undefined as Partial<StoreLimits> | undefined,

    start: async (): Promise<void> => {
      const { directory } = context
      context.store = await startEmbeddedStore({
        directory,
        host: context.host,
        port: 0,
        bucket: BUCKET,
        region: 'local',
        ...CREDENTIALS,
        clock: () => context.now,
        fetch: context.fetch,
        serviceUrls: () => context.serviceUrls ?? [],
        limits: context.limits,
        log: (level, message, fields) =>
          lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`),
      })
    },

    restart: async (): Promise<void> => {
      await context.store.close()
      await context.start()
    },

    advance: (seconds: number): void => {
      context.now = new Date(context.now.getTime() + seconds * 1000)
    },

    /** Sends path and headers exactly as given. Adds only Host and Content-Length. */
    send: (request: RawRequest): Promise<Answer> => send(context.store.port, request),

    /** A signed request as it goes over the wire, for a test to send or alter. */
    sign: (method: string, key: string, options: SignedRequest = {}): RawRequest => {
      const { query = {}, headers = {}, body, expiresSeconds, additionalHeaders } = options
      const request: Oss4Request = {
        method,
        bucket: BUCKET,
        key,
        query: Object.entries(query),
        headers,
        additionalHeaders,
      }
      const scope = { dateTime: oss4DateTime(context.now), region: 'local' }
      const path = `/${BUCKET}/${percentEncodePath(key)}`
      if (expiresSeconds !== undefined) {
        const signed = signQuery(request, CREDENTIALS, scope, expiresSeconds)
        return { method, path: `${path}?${signed}`, headers, body }
      }
      const bare = Object.entries(query).map(
        ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
      )
      return {
        method,
        path: bare.length ? `${path}?${bare.join('&')}` : path,
        headers: signHeaders(request, CREDENTIALS, scope),
        body,
      }
    },

    call: (method: string, key: string, options: SignedRequest = {}): Promise<Answer> =>
      context.send(context.sign(method, key, options)),

    /** Returns the storage upload id. */
    initiate: async (key: string, headers: Record<string, string> = {}): Promise<string> => {
      const answer = await context.call('POST', key, { query: { uploads: '' }, headers })
      return /<UploadId>([0-9A-F]{32})<\/UploadId>/.exec(answer.text)?.[1] ?? answer.text
    },

    uploadPart: (
      key: string,
      uploadId: string,
      partNumber: number | string,
      body: Uint8Array | string,
      headers: Record<string, string> = {},
    ): Promise<Answer> =>
      context.call('PUT', key, {
        query: { partNumber: String(partNumber), uploadId },
        body,
        headers,
      }),

    /** Completes with the given parts, or with all of them. */
    complete: (
      key: string,
      uploadId: string,
      parts?: ReadonlyArray<readonly [partNumber: number, etag: string | undefined]>,
      headers: Record<string, string> = {},
    ): Promise<Answer> =>
      context.call('POST', key, {
        query: { uploadId },
        headers: parts ? headers : { 'x-oss-complete-all': 'yes', ...headers },
        body: parts && partList(parts),
      }),
  }

  beforeEach(async () => {
    context.directory = await mkdtemp(join(tmpdir(), 'countersign-store-'))
    context.now = new Date()
    context.host = '127.0.0.1'
    context.fetch = undefined
    context.serviceUrls = undefined
    context.limits = undefined
    lines.length = 0
    const keyFile = join(context.directory, 'callback-key.pem')
    if (callbackKey) await writeFile(keyFile, callbackKey, { mode: 0o600 })
    await context.start()
    callbackKey ??= await readFile(keyFile)
  })

  afterEach(async () => {
    await context.store.close()
    await rm(context.directory, { recursive: true, force: true })
  })

  return context
}

const partList = (
  parts: ReadonlyArray<readonly [partNumber: number, etag: string | undefined]>,
): string =>
  `<CompleteMultipartUpload>${parts
    .map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`)
    .join('')}</CompleteMultipartUpload>`

function send(port: number, { method, path, headers, body }: RawRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const chunked = headers?.['transfer-encoding'] !== undefined
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers: { ...(chunked ? {} : length), ...headers },
      agent: false,
    })
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const text = bytes.toString()
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          bytes,
          text,
          code: /<Code>(\w+)<\/Code>/.exec(text)?.[1],
        })
      })
    })
    request.end(body)
  })
}
