// The port to the inbox of store callbacks.
import type { UploadSession } from '../upload-session.ts'
import type { ReportedObject } from './object-store.ts'

export interface CallbackRow {
  appId: string
  uploadId: string
  requestId: string
  store: string
  reported: ReportedObject
  /** Of a notification, which found its session by the key; nothing else that it says is compared. */
  source?: string
}

export interface CallbacksDb {
  /** Returns after the commit. `rows` counts the session's callbacks. */
  insert(
    row: CallbackRow,
    now: Date,
  ): Promise<{ session?: UploadSession; inserted: boolean; rows: number }>
  markProcessed(row: CallbackRow, outcome: string, now: Date): Promise<void>
  /** Oldest first, without the rows of the stores in `except`. */
  unprocessed(
    appId: string,
    before: Date,
    limit: number,
    except?: readonly string[],
  ): Promise<CallbackRow[]>
}
