// How a family of stores spells what all of them do. A dialect is a row of names and small functions; rest/ asks it and knows
// no family by name.
import type { Checksums } from '../../core/checksum.ts'
import type { PartLimits } from '../../core/part-plan.ts'
import type { ObjectStore } from '../../core/ports/object-store.ts'
import type { ObjectSpec } from '../../core/stored.ts'
import type { FailureRules } from './send.ts'
import type { XmlNode } from './xml.ts'

type HeaderValues = Record<string, string>

export interface Dialect {
  readonly name: ObjectStore['dialect']
  readonly limits: PartLimits
  /** Seconds that a signed URL may live at most, by the kind of key that signs it. */
  readonly maxUrlSeconds: { longLived: number; temporary: number }
  /** True where the signature of a single PUT can refuse a second write. */
  readonly createOnlyPut: boolean
  readonly verifiableChecksums: ObjectStore['verifiableChecksums']
  /** True where every call that answers keys takes `encoding-type`, not only the listing of uploads. */
  readonly encodesEveryKey: boolean
  readonly headerNames: {
    /** User metadata that proves which session made an object. Only the service can sign it. */
    stamp: string
    versionId: string
    copySource: string
    copySourceIfMatch: string
    copySourceRange: string
  }
  /** What an object that is written whole is created with. */
  objectHeaders(object: ObjectSpec): HeaderValues
  /** What an object that is made of parts is created with, as its upload begins … */
  initiateHeaders(object: ObjectSpec): HeaderValues
  /** … and as it is completed. */
  completeHeaders(object: Pick<ObjectSpec, 'headers'>): HeaderValues
  /** What has the store refuse to write over an object, where the policy says so. */
  createOnlyHeaders(object: Pick<ObjectSpec, 'overwrite'>): HeaderValues
  /** Reads the checksums of HEAD. One that is unreadable is left out. */
  objectChecksums(headers: Headers): Checksums
  /** Reads the checksums of an entry of ListParts. */
  partChecksums(part: XmlNode): Checksums
  readonly failures: FailureRules
}
