// The durable inbox of stores’ callbacks.
import type { UploadSession } from '../upload-session.ts'
import type { CallbackFields } from './object-store.ts'

export interface CallbackRow {
  appId: string
  uploadId: string
  requestId: string
  store: string
  body: CallbackFields
}

export interface CallbacksDb {
  /** Durable before it is answered. Says whether the session exists and how many rows it already has. */
  insert(
    row: CallbackRow,
    now: Date,
  ): Promise<{ session?: UploadSession; inserted: boolean; rows: number }>
  markProcessed(row: CallbackRow, outcome: string, now: Date): Promise<void>
  /** Oldest first. Rows of the stores in `except` wait for a store that answers. */
  unprocessed(
    appId: string,
    before: Date,
    limit: number,
    except?: readonly string[],
  ): Promise<CallbackRow[]>
}
