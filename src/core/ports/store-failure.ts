// StoreFailure: how a call to the store went wrong, in the three ways that decide what may happen next.

/**
 * - `no-such-upload`: the store does not know the storage upload (completed, aborted, or lost).
 * - `refused`: a definite no (4xx); nothing has happened.
 * - `ambiguous`: no answer, a broken one, or 5xx; it may have happened.
 */
export type StoreFailureKind = 'no-such-upload' | 'refused' | 'ambiguous'

export class StoreFailure extends Error {
  readonly kind: StoreFailureKind
  /** The store's own code, such as `FileAlreadyExists`. */
  readonly code: string
  readonly status: number

  constructor(kind: StoreFailureKind, code: string, status: number, cause?: unknown) {
    super(`The store answered ${status || 'nothing'} (${code})`, { cause })
    this.name = 'StoreFailure'
    this.kind = kind
    this.code = code
    this.status = status
  }
}

export const isStoreFailure = (error: unknown, kind?: StoreFailureKind): error is StoreFailure =>
  error instanceof StoreFailure && (kind === undefined || error.kind === kind)

/** For a call whose failure the sweep mends. */
export const ignoreStoreFailure = (error: unknown): void => {
  if (!isStoreFailure(error)) throw error
}
