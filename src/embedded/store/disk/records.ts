// The JSON records of objects, uploads and parts.

/** The bytes of one data file. */
export interface Piece {
  dataId: string
  sizeBytes: number
}

/** A body that was received whole and synced to disk. No record names it yet. */
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
  /** The headers of the object, fixed at initiation. */
  headers: Record<string, string>
  /** True if its completion answers the MD5 of the whole object. */
  sequential?: boolean
}

export interface OpenUpload extends UploadRecord {
  parts: ReadonlyMap<number, PartRecord>
}

export interface ObjectManifest {
  /** Names this version of the object, for its readers. */
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
  /** The multipart upload that made it. If a start still finds that upload, a kill came right after its completion. */
  uploadId?: string
}
