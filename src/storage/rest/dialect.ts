// A dialect: the names, limits and small functions in which one family of stores differs from the others. Nothing else in rest/
// knows a family.
import type { ChecksumAlgorithm, Checksums } from '../../core/checksum.ts'
import type { ObjectHeaderRules } from '../../core/object-headers.ts'
import type { PartLimits } from '../../core/part-plan.ts'
import type { ObjectSpec } from '../../core/stored.ts'
import type { FailureRules } from './send.ts'
import type { XmlNode } from './xml.ts'

type HeaderValues = Record<string, string>

export interface Dialect {
  readonly limits: PartLimits
  readonly objectHeaderRules: ObjectHeaderRules
  /** The longest life of a signed URL, by the kind of key that signs it. */
  readonly maxUrlSeconds: { longLived: number; temporary: number }
  /** True if a signed single PUT can refuse to overwrite. */
  readonly createOnlyPut: boolean
  /** True if a completion can refuse to overwrite. If not, HEAD before it tells, which cannot decide a race. */
  readonly createOnlyComplete: boolean
  readonly verifiableChecksums: readonly ChecksumAlgorithm[]
  /** True if every call that answers keys takes `encoding-type`, not only the listing of uploads. */
  readonly encodesEveryKey: boolean
  /** False if the store encodes keys without saying so, or not its markers: then keys are asked for as they are. */
  readonly encodesListedKeys: boolean
  /** True if a plus sign in a percent-encoded key of an answer stands for a space. */
  readonly plusIsSpace: boolean
  /** True if DELETE heeds If-Match. If not, HEAD before it tells whether the object is still the one that was seen. */
  readonly deletesConditionally: boolean
  /** Make HEAD show the checksums. */
  readonly headHeaders: HeaderValues
  readonly headerNames: {
    /** User metadata. Only the service can sign it, so it proves which session made an object. */
    stamp: string
    versionId: string
    copySource: string
    copySourceIfMatch: string
    copySourceRange: string
  }
  /** For an object that is written whole. These, and those of a completion, make the store refuse to overwrite if the policy says so. */
  objectHeaders(object: ObjectSpec): HeaderValues
  /** For an object that is made of parts: to initiate its upload … */
  initiateHeaders(object: ObjectSpec): HeaderValues
  /** … and to complete it. */
  completeHeaders(object: Pick<ObjectSpec, 'headers' | 'overwrite'>): HeaderValues
  /** Reads the checksums of HEAD. One that is unreadable is left out. */
  objectChecksums(headers: Headers): Checksums
  /** Reads the checksums of an entry of ListParts. */
  partChecksums(part: XmlNode): Checksums
  /** True if a store of the family may look for an unknown upload as for an object, and say so. */
  readonly missesUploadAsObject: boolean
  readonly failures: FailureRules
}
