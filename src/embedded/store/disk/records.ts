// What is written down about objects, uploads and parts; all of it is JSON on disk.

/** A run of bytes in one data file. */
export interface Piece {
  dataId: string
  sizeBytes: number
}

/** Bytes that were received whole: on disk, synced, and not yet named by anything. */
export interface StoredBody extends Piece {
  /** Upper-case hex. */
  md5: string
  /** Decimal, as in x-oss-hash-crc64ecma. */
  crc64: string
}

export interface PartRecord extends StoredBody {
  partNumber: number
  lastModified: string
}

export interface UploadRecord {
  id: string
  key: string
  initiatedAt: string
  /** The object's headers, fixed at initiation. */
  headers: Record<string, string>
}

export interface OpenUpload extends UploadRecord {
  parts: ReadonlyMap<number, PartRecord>
}

export interface ObjectManifest {
  /** Of this version of the object; readers hold on to it. */
  id: string
  key: string
  kind: 'Normal' | 'Multipart'
  /** With its double quotes. */
  etag: string
  sizeBytes: number
  crc64: string
  lastModified: string
  headers: Record<string, string>
  pieces: Piece[]
  /** The upload that made it: at start, an upload so named was completed before a kill. */
  uploadId?: string
}
