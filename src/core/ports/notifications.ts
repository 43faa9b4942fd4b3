// The port to what a bucket's products report of their own accord. A source verifies a request and reads object keys from it;
// uploads/receive-notification.ts decides what they may cause.

/** One object that a source names. Only a hint, even if it is verified. */
export interface ObjectHint {
  /** The sender's id of the event, stable over its retries. */
  id: string
  /** The decoded key. More than one where a source leaves its encoding open: the first that is known here counts. */
  keys: readonly string[]
  /** Absent if the source names none. */
  bucket?: string
  /** `completed`: an object appeared under the key. `unfinished`: something happened to an upload of it. */
  kind: 'completed' | 'unfinished'
}

/** A request to the inbox, with the raw bytes that signatures cover. */
export interface ReceivedNotification {
  /** The URLs that the sender may have been configured with, query included. */
  urls: readonly string[]
  /** '' or '?…'. */
  rawQuery: string
  headers: Headers
  body: Uint8Array
}

/** A row of src/storage/notifications/sources.ts, opened with one store's settings. */
export interface NotificationSource {
  readonly name: string
  /**
   * Undefined unless the request is of this source and verified: then nothing may happen. Tests, confirmations and events
   * without an object give an empty list. Throws `storage-unavailable` if the sender should repeat the request.
   */
  receive?(request: ReceivedNotification): Promise<readonly ObjectHint[] | undefined>
  /** Reads a message of a queue that only the platform fills. Undefined unless it is of this source. */
  readMessage?(body: unknown): ObjectHint | undefined
}
