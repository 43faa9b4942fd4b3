// What sources need from the outside.
import type { VerifyWithCertificate } from './certificates.ts'

export interface SourceWorld {
  /** Must refuse private addresses. */
  fetch: typeof fetch
  clock: () => Date
  verify: VerifyWithCertificate
}
