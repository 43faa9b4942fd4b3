// The port to a bucket, which each dialect implements. A method names the request that needs it.
import type { ChecksumAlgorithm } from '../checksum.ts'
import type { ObjectHeaderRules } from '../object-headers.ts'
import type { Part, PartLimits } from '../part-plan.ts'
import type { ObjectSpec, StoredObject, StoredPart, StoredUpload } from '../stored.ts'

/** A storage upload as the store lists it. */
export interface ListedUpload extends StoredUpload {
  initiatedAt: Date
}

export interface ListedUploadsPage {
  uploads: ListedUpload[]
  /** The start of the next page; absent on the last page. */
  next?: StoredUpload
}

/** Bytes `first` to `last`, both included, of the object with this ETag. */
export interface CopySource {
  key: string
  etag: string
  first: number
  last: number
}

export interface SignedRequest {
  method: 'PUT' | 'POST' | 'GET'
  url: string
  /** The sender must send exactly these. */
  headers: Record<string, string>
}

/** Asks the store to report a completed object, with our completion token. */
export interface CallbackRequest {
  /** The store tries them in order until one answers. */
  urls: readonly string[]
  token: string
}

/** A form to post, with the file as its last field, called `file`. Every field is signed. */
export interface SignedForm {
  url: string
  fields: Record<string, string>
}

/** In bytes, both inclusive. */
export interface SizeRange {
  least: number
  most: number
}

/** A part to sign; `contentMd5` is base64 and becomes a signed header. */
export interface PartToSign extends Part {
  contentMd5?: string
}

export interface Validity {
  from: Date
  seconds: number
}

/** A request as it arrived, because signatures cover the bytes on the wire. */
export interface RawRequest {
  method: string
  /** Still percent-encoded, without the query. */
  rawPath: string
  /** '' or '?…'. */
  rawQuery: string
  headers: Headers
  body: Uint8Array
}

/** The object that a store reports. Only a hint, even if the signature holds. */
export interface ReportedObject {
  key?: string
  sizeBytes?: number
  etag?: string
}

/** A callback of a store, in our words. */
export interface StoreCallback extends ReportedObject {
  /** The completion token that the callback was asked to carry. */
  token?: string
  /** The store's own id of this callback. */
  requestId?: string
  bucket?: string
}

/** Temporary credentials reach one key, or all keys below a prefix that ends with a slash. */
export type CredentialScope = { key: string } | { prefix: string }

export interface TemporaryCredentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken: string
  expiresAt: Date
}

/** An operation on a stored object. The store saves its result under another key of the same bucket. */
export interface SaveAs {
  key: string
  operation: string
  saveAs: string
}

export interface MediaJob {
  key: string
  saveAs: string
  pipelineId: string
  templateId: string
}

export type MediaState =
  | { state: 'running' }
  /** `key`: the result's, if the service tells it. Some formats get an extension. */
  | { state: 'done'; key?: string }
  | { state: 'failed'; code: string }

/** Processing of stored objects. Every call throws StoreFailure, and may be repeated: it saves the same under the same key. */
export interface StoreProcessing {
  /** Resolves when the result is saved. */
  image(work: SaveAs): Promise<void>
  /** Answers a task's id. The result appears later. */
  async(work: SaveAs): Promise<string>
  /** Present if a transcoding service stands beside the store. */
  media?: StoreMedia
}

export interface StoreMedia {
  /** Answers the job's id. */
  submit(job: MediaJob): Promise<string>
  state(jobId: string): Promise<MediaState>
}

export interface ObjectStore {
  readonly name: string
  readonly limits: PartLimits
  /** The values that a policy's `object` block may have. */
  readonly objectHeaderRules: ObjectHeaderRules
  /** True if a signed single PUT can refuse to overwrite. */
  readonly createOnlyPut: boolean
  /** True if a part's signature covers its exact length. If not, URLs live shortly and the sweep checks sizes. */
  readonly bindsLength: boolean
  /** True if nobody else uploads below an app's prefix, so that the sweep may abort old unknown uploads there. */
  readonly exclusive: boolean
  /** Seconds until the bucket's own rule aborts an unfinished upload; infinite without a rule. */
  readonly cleanupSeconds: number
  /** Algorithms that HEAD and ListParts both report, so that a declared checksum can be verified. */
  readonly verifiableChecksums: readonly ChecksumAlgorithm[]
  /** The longest life of a URL signed at `from`, because signing credentials may end. */
  maxUrlSeconds(from: Date): number
  /** POST /v1/uploads, and healing. Answers the storage upload id. */
  initiate(object: ObjectSpec): Promise<string>
  /** POST /v1/uploads/{id}/parts. Pure. */
  presignParts(
    upload: StoredUpload,
    parts: readonly PartToSign[],
    validity: Validity,
  ): SignedRequest[]
  /** The one PUT of a `single` upload. Pure. */
  presignPut(object: ObjectSpec, part: PartToSign, validity: Validity): SignedRequest
  /** The form of a `form` upload. Present if the store accepts signed forms. Pure. */
  presignForm?(
    object: ObjectSpec,
    size: SizeRange,
    validity: Validity,
    callback?: CallbackRequest,
  ): SignedForm
  /** GET /v1/uploads/{id}/object. Pure. */
  presignGet(key: string, filename: string, validity: Validity): SignedRequest
  /** Present if a client can complete at the store and the store reports it. Pure. */
  presignComplete?(
    upload: StoredUpload,
    callback: CallbackRequest,
    object: Pick<ObjectSpec, 'overwrite' | 'headers'>,
    validity: Validity,
  ): SignedRequest
  /**
   * One page at a time. Throws StoreFailure: `no-upload` if the store no longer knows the upload, `ambiguous` if a part lacks
   * its number, size, ETag or date.
   */
  listParts(upload: StoredUpload): AsyncIterable<StoredPart[]>
  /**
   * POST /v1/uploads/{id}/copies. Present if the store copies a range of an object into a part. The caller checks before that
   * the object holds the range, and afterwards the size of the part, because a store may copy something else. Throws
   * StoreFailure `no-object` if the source is gone or has another ETag.
   */
  copyPart?(upload: StoredUpload, partNumber: number, source: CopySource): Promise<void>
  complete(
    upload: StoredUpload,
    parts: ReadonlyArray<Pick<StoredPart, 'partNumber' | 'etag'>>,
    object: Pick<ObjectSpec, 'overwrite' | 'headers'>,
  ): Promise<void>
  /** Throws StoreFailure `no-upload` if there is nothing to abort. */
  abort(upload: StoredUpload): Promise<void>
  /**
   * Storage uploads in progress under exactly this key, such as one of an initiate that got no answer. The list may be
   * incomplete beyond five thousand.
   */
  listUploads(key: string): Promise<ListedUpload[]>
  /** One page of the storage uploads in progress below a prefix, in which the sweep looks for foreign ones. */
  listUploadsBelow(prefix: string, after?: StoredUpload): Promise<ListedUploadsPage>
  head(key: string): Promise<StoredObject | undefined>
  putEmpty(object: ObjectSpec): Promise<void>
  /** Deletes only the object that was seen. Without its version, a versioned bucket would hide the object and keep it. */
  delete(key: string, only: { ifMatch: string; versionId?: string }): Promise<void>
  /** For a client's own SDK. */
  readonly location: { endpoint: string; region: string; bucket: string }
  /** POST /v1/credentials. Present if a role is configured. `session` has 2 to 32 characters. */
  issueCredentials?(
    scope: CredentialScope,
    session: string,
    seconds: number,
  ): Promise<TemporaryCredentials>
  /** Processing targets of deliveries. Present if the store processes objects. */
  readonly process?: StoreProcessing
  /** Undefined unless the signature holds. Makes no request. */
  verifyCallback(request: RawRequest): StoreCallback | undefined
  /** Reads a callback without believing it, to find its session. */
  readCallback(request: Pick<RawRequest, 'headers' | 'body'>): StoreCallback | undefined
}
