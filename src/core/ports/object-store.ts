// The port to a bucket. A dialect implements it; every method says which request needs it.
import type { ChecksumAlgorithm } from '../checksum.ts'
import type { Part, PartLimits } from '../part-plan.ts'
import type { ObjectSpec, StoredObject, StoredPart, StoredUpload } from '../stored.ts'

/** A storage upload as the store lists it. */
export interface ListedUpload extends StoredUpload {
  initiatedAt: Date
}

export interface ListedUploadsPage {
  uploads: ListedUpload[]
  /** Where the next page begins; absent after the last. */
  next?: StoredUpload
}

/** Bytes `first` to `last` (both included) of an object, as long as it is the one with this ETag. */
export interface CopySource {
  key: string
  etag: string
  first: number
  last: number
}

export interface SignedRequest {
  method: 'PUT' | 'POST' | 'GET'
  url: string
  /** What the sender must send, exactly; nothing else that is signed may be added. */
  headers: Record<string, string>
}

/** Where the store reports what has been made, and the completion token that it brings along. */
export interface CallbackRequest {
  /** Tried in order until one answers. */
  urls: readonly string[]
  token: string
}

/** A form to post with the file as its last field, called `file`. Every field is signed: none may be changed or left out. */
export interface SignedForm {
  url: string
  fields: Record<string, string>
}

/** Bytes that a form's file may have, both inclusive. */
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

/** A request as it arrived, for signatures that cover the bytes on the wire. */
export interface RawRequest {
  method: string
  /** Still percent-encoded, without the query. */
  rawPath: string
  /** '' or '?…' as received. */
  rawQuery: string
  headers: Headers
  body: Uint8Array
}

/** What a store's callback says, once its signature holds. Still only a hint. */
export type CallbackFields = Record<string, string>

/** What temporary credentials reach: one key, or everything below a prefix that ends with a slash. */
export type CredentialScope = { key: string } | { prefix: string }

export interface TemporaryCredentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken: string
  expiresAt: Date
}

/** An operation on a stored object whose result is saved under another key of the same bucket. */
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
  /** `key` is where the service says that it saved, if it says so: some formats get an extension. */
  | { state: 'done'; key?: string }
  | { state: 'failed'; code: string }

/** What the store makes of a complete upload. All throw StoreFailure; a repeat saves the same under the same key. */
export interface StoreProcessing {
  /** Answers when the result is saved. */
  image(work: SaveAs): Promise<void>
  /** Answers the id of a task that goes on; the result appears under its key. */
  async(work: SaveAs): Promise<string>
  /** Present where the store has a service for it. */
  media?: StoreMedia
}

export interface StoreMedia {
  /** Answers the id of a job. */
  submit(job: MediaJob): Promise<string>
  state(jobId: string): Promise<MediaState>
}

export interface ObjectStore {
  readonly name: string
  readonly dialect: 'oss' | 's3'
  readonly limits: PartLimits
  /** True where the signature of a single PUT can refuse a second write. */
  readonly createOnlyPut: boolean
  /** True where a part's signature covers its exact length. Elsewhere URLs live shortly and the sweep watches sizes. */
  readonly bindsLength: boolean
  /** True where the operator says that nobody else uploads below an app's prefix: what is old and unknown there is aborted. */
  readonly exclusive: boolean
  /** Seconds after which the bucket's own rule aborts an unfinished upload; infinite where it has none. */
  readonly cleanupSeconds: number
  /** Algorithms that HEAD and ListParts both report, so that a declared checksum can be verified. */
  readonly verifiableChecksums: readonly ChecksumAlgorithm[]
  /** Seconds that a URL may live at most, from `from`: signing credentials may end. */
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
  /** The form of a `form` upload. Present where the store takes forms whose policy is signed. Pure. */
  presignForm?(
    object: ObjectSpec,
    size: SizeRange,
    validity: Validity,
    callback?: CallbackRequest,
  ): SignedForm
  /** GET /v1/uploads/{id}/object. Pure. */
  presignGet(key: string, filename: string, validity: Validity): SignedRequest
  /** Present where the client may complete at the store and the store reports it. Pure. */
  presignComplete?(
    upload: StoredUpload,
    callback: CallbackRequest,
    object: Pick<ObjectSpec, 'overwrite' | 'headers'>,
    validity: Validity,
  ): SignedRequest
  /**
   * All pages, one at a time. Throws StoreFailure `no-such-upload` where the store no longer knows it, and `ambiguous` where a
   * part lacks its number, size, ETag or date.
   */
  listParts(upload: StoredUpload): AsyncIterable<StoredPart[]>
  /**
   * POST /v1/uploads/{id}/copies. Present where the store copies a range of an object into a part. The caller has seen
   * that the object holds the range, and looks at the listed size afterwards: a store may copy something else.
   */
  copyPart?(upload: StoredUpload, partNumber: number, source: CopySource): Promise<void>
  complete(
    upload: StoredUpload,
    parts: ReadonlyArray<Pick<StoredPart, 'partNumber' | 'etag'>>,
    object: Pick<ObjectSpec, 'overwrite' | 'headers'>,
  ): Promise<void>
  /** Throws StoreFailure `no-such-upload` where there is nothing (left) to abort. */
  abort(upload: StoredUpload): Promise<void>
  /**
   * Storage uploads in progress under exactly this key: what an initiate without an answer may have left. All of them up to
   * five thousand, and then perhaps not all.
   */
  listUploads(key: string): Promise<ListedUpload[]>
  /** One page of the storage uploads in progress below a prefix: the sweep counts what is not ours. */
  listUploadsBelow(prefix: string, after?: StoredUpload): Promise<ListedUploadsPage>
  head(key: string): Promise<StoredObject | undefined>
  putEmpty(object: ObjectSpec): Promise<void>
  /** The one object that was seen: in a versioned bucket its version, which would otherwise be hidden and stay. */
  delete(key: string, only: { ifMatch: string; versionId?: string }): Promise<void>
  /** Where a client's own SDK finds the bucket. */
  readonly location: { endpoint: string; region: string; bucket: string }
  /** POST /v1/credentials. Present where the deployment has a role for it. `session` has 2 to 32 characters. */
  issueCredentials?(
    scope: CredentialScope,
    session: string,
    seconds: number,
  ): Promise<TemporaryCredentials>
  /** Processing targets of deliveries. Present where the store processes. */
  readonly process?: StoreProcessing
  /** What the callback says, or undefined where its signature does not hold. No outgoing request. */
  verifyCallback(request: RawRequest): CallbackFields | undefined
  /** Reads a callback's body without believing it: to find the session that it speaks of. */
  readCallback(request: Pick<RawRequest, 'headers' | 'body'>): CallbackFields | undefined
}
