// StoreFailure: a failed call to the store, sorted by what the caller may do next.

/**
 * - `no-upload`, `no-object`: the store does not know what the call names; an earlier call may have used it up.
 * - `exists`: the store refuses to overwrite an object.
 * - `parts-changed`: the stored parts are not the ones that the call names.
 * - `refused`: any other definite no.
 * - `ambiguous`: no answer, a broken one, or 5xx. The store may have acted.
 */
export type StoreFailureKind =
  | 'no-upload'
  | 'no-object'
  | 'exists'
  | 'parts-changed'
  | 'refused'
  | 'ambiguous'

export class StoreFailure extends Error {
  readonly kind: StoreFailureKind
  /** The store's own code, for people: flows act on `kind`. */
  readonly code: string
  /** 0 if there was no answer. */
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

/** For a call that the sweep repeats if it fails. */
export const ignoreStoreFailure = (error: unknown): void => {
  if (!isStoreFailure(error)) throw error
}
