// What a store holds, as every dialect tells it: storage uploads, parts and objects.
import type { Checksums } from './checksum.ts'
import type { ObjectHeaders, ShownHeaders } from './object-headers.ts'
import type { Part } from './part-plan.ts'

/** The object that a session will make. Its `uploadId` becomes the stamp. */
export interface ObjectSpec {
  key: string
  uploadId: string
  contentType: string
  overwrite: 'never' | 'replace'
  headers?: ObjectHeaders
}

/** A storage upload in progress. */
export interface StoredUpload {
  key: string
  storageUploadId: string
}

export interface StoredPart extends Part {
  etag: string
  checksums: Checksums
  lastModified: Date
}

/** As HEAD shows it. What the answer does not carry, or not readably, is undefined. */
export interface StoredObject {
  key: string
  sizeBytes?: number
  etag?: string
  versionId?: string
  checksums: Checksums
  contentType?: string
  contentEncoding?: string
  headers?: ShownHeaders
  lastModified?: Date
  /** The stamp: the id of the session that made it, if one of ours did. */
  uploadId?: string
}

/** One whose answer carries all that a session is finished or failed on. */
export type MeasuredObject = StoredObject & { sizeBytes: number; etag: string }
