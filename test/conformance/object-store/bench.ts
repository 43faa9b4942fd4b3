// What every section of the suite works with: a store, keys of its own, and the requests that a client sends.
import { randomUUID } from 'node:crypto'
import { beforeEach, expect, type TestContext } from 'vitest'
import { crc64 } from '../../../src/bytes/crc64.ts'
import type { ChecksumAlgorithm, Checksums } from '../../../src/core/checksum.ts'
import type {
  ObjectStore,
  RawRequest,
  SignedRequest,
  StoreCallback,
  TemporaryCredentials,
  Validity,
} from '../../../src/core/ports/object-store.ts'
import { isStoreFailure } from '../../../src/core/ports/store-failure.ts'
import type { ObjectSpec, StoredPart, StoredUpload } from '../../../src/core/stored.ts'

export type Bytes = Uint8Array<ArrayBuffer>

export interface StoreUnderTest {
  store: ObjectStore
  /** The time by the store's clock. */
  now(): Date
  /** Moves the store's clock. Without it, nothing that expires after more than a minute is tested. */
  advance?(seconds: number): void
  /** Opens the same bucket with temporary credentials, as a client's own SDK does. */
  openWith?(credentials: TemporaryCredentials): ObjectStore
  /** A URL that the store can report to, and the reports that have arrived there. */
  callbacks?: { url: string; received: RawRequest[] }
  /** The store cannot refuse to overwrite by itself, so no race of writers has one winner. */
  overwritesInRaces?: boolean
  /** What this server is known to do otherwise: the name of a test, and why it is left out. */
  deviations?: Readonly<Record<string, string>>
  /** True if completing an unknown upload has no definite answer. */
  unclearIfUnknown?: boolean
  /** Leaves out what takes thousands of requests, where the suite has run on this store before in another way. */
  quick?: boolean
}

// The port's own words. When the port renames one, only these lines change.
export const KIND = {
  noUpload: 'no-upload',
  exists: 'exists',
  refused: 'refused',
  partsChanged: 'parts-changed',
  noSource: 'no-object',
  otherSource: 'no-object',
} as const
export const tokenOf = (report: StoreCallback | undefined) => report?.token
export const checksumOf = (
  stored: { checksums: Checksums } | undefined,
  algorithm: ChecksumAlgorithm,
) => stored?.checksums[algorithm]

/** A checksum that a store can verify needs a row here. */
const CHECKSUMS: Partial<Record<ChecksumAlgorithm, (bytes: Bytes) => string>> = {
  crc64: (bytes) => String(crc64(bytes)),
}

/** Expects each checksum that the store reports to be the one of these bytes. */
export function expectChecksums(
  { verifiableChecksums }: ObjectStore,
  stored: Parameters<typeof checksumOf>[0],
  bytes: Bytes,
) {
  for (const algorithm of verifiableChecksums) {
    expect(checksumOf(stored, algorithm)).toBe(CHECKSUMS[algorithm]!(bytes))
  }
}

/** The kind of the StoreFailure that the call ends with. Anything else fails the test. */
export async function failureKind(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => new Error('The store accepted what it must refuse.'),
    (reason: unknown) => reason,
  )
  if (!isStoreFailure(error)) throw error
  return error.kind
}

/** Skips the test if the store lacks the feature. */
export function needs<Feature>(context: TestContext, feature: Feature | undefined): Feature {
  if (feature === undefined) context.skip('The store does not offer it.')
  return feature as Feature
}

export interface Answer {
  status: number
  headers: Headers
  bytes: Buffer
}

/** Sends a signed request as a client does. */
export async function send(
  { method, url, headers }: Omit<SignedRequest, 'method'> & { method: string },
  body?: Bytes | FormData | ReadableStream,
): Promise<Answer> {
  const init = { method, headers, body, duplex: 'half' } as RequestInit
  const response = await fetch(url, init)
  const bytes = Buffer.from(await response.arrayBuffer())
  return { status: response.status, headers: response.headers, bytes }
}

export const expectRefused = ({ status }: Answer): void => {
  expect(status).toBeGreaterThanOrEqual(400)
  expect(status).toBeLessThan(500)
}

/** Each altered copy of the request: one query parameter or header changed, or left out. */
export function alterations(
  signed: SignedRequest,
): Array<{ name: string; altered: SignedRequest }> {
  const [path, query = ''] = signed.url.split('?')
  const pairs = query.split('&')
  const withQuery = (changed: string[]) => ({ ...signed, url: `${path}?${changed.join('&')}` })
  const change = (text: string) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0')
  const ofQuery = pairs.flatMap((pair, index) => [
    { name: `${pair} changed`, altered: withQuery(pairs.with(index, change(pair))) },
    { name: `${pair} left out`, altered: withQuery(pairs.toSpliced(index, 1)) },
  ])
  const ofHeaders = Object.entries(signed.headers).flatMap(([name, value]) => {
    const { [name]: _, ...rest } = signed.headers
    const changed = { ...signed.headers, [name]: change(value) }
    return [
      { name: `${name} changed`, altered: { ...signed, headers: changed } },
      { name: `${name} left out`, altered: { ...signed, headers: rest } },
    ]
  })
  return [...ofQuery, ...ofHeaders]
}

export async function inParallel<Result>(
  count: number,
  work: (index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const workers = Array.from({ length: 20 }, async () => {
    for (let index = next++; index < count; index = next++) results[index] = await work(index)
  })
  await Promise.all(workers)
  return results
}

/** Opens the store before each test, and gives the test a key prefix that no other test uses. */
export function useBench(open: () => StoreUnderTest | Promise<StoreUnderTest>) {
  let subject: StoreUnderTest
  let prefix: string
  beforeEach(async (context) => {
    subject = await open()
    const deviation = subject.deviations?.[context.task.name]
    if (deviation) context.skip(deviation)
    prefix = `suite-${randomUUID()}/`
  })

  const bench = {
    get subject(): StoreUnderTest {
      return subject
    },
    get store(): ObjectStore {
      return subject.store
    },
    get prefix() {
      return prefix
    },
    key: (name = 'file.bin') => `${prefix}${name}`,

    /** Now and for a minute. */
    validity: (): Validity => ({ from: subject.now(), seconds: 60 }),

    /** Ended a minute ago. */
    expired: (): Validity => ({ from: new Date(+subject.now() - 120_000), seconds: 60 }),

    spec: (more: Partial<ObjectSpec> = {}): ObjectSpec => ({
      key: bench.key(),
      uploadId: 'upl_1',
      contentType: 'text/plain',
      overwrite: 'replace',
      ...more,
    }),

    initiate: async (
      object: ObjectSpec = bench.spec(),
      store: ObjectStore = bench.store,
    ): Promise<StoredUpload> => ({
      key: object.key,
      storageUploadId: await store.initiate(object),
    }),

    signPart: (
      upload: StoredUpload,
      partNumber: number,
      sizeBytes: number,
      { validity, contentMd5 }: { validity?: Validity; contentMd5?: string } = {},
    ): SignedRequest => {
      const part = { partNumber, sizeBytes, contentMd5 }
      return bench.store.presignParts(upload, [part], validity ?? bench.validity())[0]!
    },

    putPart: async (upload: StoredUpload, partNumber: number, bytes: Bytes): Promise<Answer> => {
      const answer = await send(bench.signPart(upload, partNumber, bytes.length), bytes)
      expect(answer.status).toBe(200)
      return answer
    },

    listParts: async (upload: StoredUpload): Promise<StoredPart[]> => {
      const parts: StoredPart[] = []
      for await (const page of bench.store.listParts(upload)) parts.push(...page)
      return parts
    },

    /** Completes with all parts that are listed. */
    complete: async (
      upload: StoredUpload,
      overwrite: ObjectSpec['overwrite'] = 'replace',
    ): Promise<void> => bench.store.complete(upload, await bench.listParts(upload), { overwrite }),

    /** An upload with one part that holds these bytes. */
    uploadOf: async (bytes: Bytes, object: ObjectSpec = bench.spec()): Promise<StoredUpload> => {
      const upload = await bench.initiate(object)
      await bench.putPart(upload, 1, bytes)
      return upload
    },

    signPut: (
      bytes: Bytes,
      object: ObjectSpec = bench.spec(),
      validity: Validity = bench.validity(),
    ): SignedRequest => {
      const part = { partNumber: 1, sizeBytes: bytes.length }
      return bench.store.presignPut(object, part, validity)
    },

    put: async (bytes: Bytes, object?: ObjectSpec): Promise<void> => {
      expect((await send(bench.signPut(bytes, object), bytes)).status).toBe(200)
    },

    get: (key: string): Promise<Answer> =>
      send(bench.store.presignGet(key, 'file', bench.validity())),

    /** Expects the object to hold exactly these bytes. */
    expectBytes: async (key: string, bytes: Bytes): Promise<void> => {
      const answer = await bench.get(key)
      expect(answer.status).toBe(200)
      expect(answer.bytes.equals(bytes)).toBe(true)
    },
  }
  return bench
}

export type Bench = ReturnType<typeof useBench>

export const text = (content: string): Bytes => new TextEncoder().encode(content)
