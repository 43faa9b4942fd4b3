// Storage uploads, parts and objects of a store, the same in every dialect.
import type { Checksums } from './checksum.ts'
import type { ObjectHeaders, ShownHeaders } from './object-headers.ts'
import type { Part } from './part-plan.ts'

/** The object that a session is going to make. Its `uploadId` becomes the stamp. */
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

/** As HEAD shows it. A field that the answer lacks, or that cannot be read, is undefined. */
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
  /** The stamp: the id of the session that made the object. */
  uploadId?: string
}

/** An object with the values that decide whether a session finishes or fails. */
export type MeasuredObject = StoredObject & { sizeBytes: number; etag: string }
