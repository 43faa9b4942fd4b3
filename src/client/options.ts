// The options, progress and result of an upload.
import type { PutPart } from './parts.ts'

/** The state of a running upload, as `onProgress` reports it. */
export interface Progress {
  /** `verifying`: parts of an earlier run are compared with the file. */
  state: 'verifying' | 'sending' | 'completing' | 'completed'
  /** The bytes that are stored, or while `verifying` those verified so far. */
  sentBytes: number
  totalBytes: number
  partsDone: number
  partCount: number
  /** Bytes that were stored before this run. */
  resumedBytes: number
}

/** Where and how to upload. */
export interface UploadOptions {
  /** The service, without a trailing slash. */
  url: string
  /** A grant, a user's JWT or an api key. */
  credential: string
  /** The user on whose behalf the upload is made. Needs an api key. */
  subject?: string
  /** The app's policy, its default without one. */
  policy?: string
  /** The wished size of a part. The service may choose a larger one. */
  partSizeBytes?: number
  metadata?: Record<string, string>
  /** How many parts are sent at the same time; 4 by default. */
  parallel?: number
  /** Completes at the store itself if the policy offers it. */
  direct?: boolean
  /** Stops the upload. It can be resumed by uploading the same file again. */
  signal?: AbortSignal
  /** Calls the service, by default with the global `fetch`. */
  fetch?: typeof fetch
  /** Sends a part to the store, by default with the global `fetch`. */
  put?: PutPart
  onCreated?: (upload: { id: string; resumed: boolean; partCount: number }) => void
  onProgress?: (progress: Progress) => void
  /** Called once for each part that is stored, those of earlier runs included. */
  onPart?: (partNumber: number) => void
}

/** A completed upload. */
export interface UploadResult {
  id: string
  /** The object's key in the bucket. */
  key: string
  sizeBytes: number
  /** Reads the status of the upload. */
  uploadToken: string
}
