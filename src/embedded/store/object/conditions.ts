// Conditional requests: If-Match, If-None-Match and their dates (RFC 9110 §13.2.2).
import type { ObjectManifest } from '../disk/records.ts'
import { refusal } from '../refusal.ts'
import type { WireHeaders } from '../wire.ts'

/** Throws PreconditionFailed or NotModified. */
export function checkConditions(manifest: ObjectManifest, headers: WireHeaders): void {
  const modified = Math.floor(Date.parse(manifest.lastModified) / 1000) * 1000
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  const unmodifiedSince = Date.parse(headers['if-unmodified-since'] ?? '')
  const modifiedSince = Date.parse(headers['if-modified-since'] ?? '')
  if (ifMatch !== undefined ? !matchesEtag(ifMatch, manifest.etag) : modified > unmodifiedSince) {
    throw refusal('PreconditionFailed')
  }
  if (
    ifNoneMatch !== undefined ? matchesEtag(ifNoneMatch, manifest.etag) : modified <= modifiedSince
  ) {
    throw refusal('NotModified', { headers: { etag: manifest.etag } })
  }
}

/** True if a list of entity tags holds this one. Ignores quotes and case. */
export function matchesEtag(list: string, etag: string): boolean {
  const plain = (text: string) => text.trim().replace(/^W\//, '').replaceAll('"', '').toUpperCase()
  return list.trim() === '*' || list.split(',').some((one) => plain(one) === plain(etag))
}
