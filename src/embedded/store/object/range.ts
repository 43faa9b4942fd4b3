// The single byte range of a GET (RFC 9110 §14.2) or of a copy.
import { refusal } from '../refusal.ts'

export interface ByteRange {
  first: number
  last: number
}

/** Undefined for the whole object: without a header, or with one that is malformed or names several ranges. Throws InvalidRange. */
export function readRange(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec((header ?? '').trim())
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [, from, to] = match
  const first = from === '' ? Math.max(sizeBytes - Number(to), 0) : Number(from)
  const last = from === '' || to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1)
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined
  if (first >= sizeBytes) {
    throw refusal('InvalidRange', { headers: { 'content-range': `bytes */${sizeBytes}` } })
  }
  return { first, last }
}

/** Undefined for the whole object: OSS ignores a missing, malformed or impossible range of a copy. */
export function readCopyRange(
  header: string | undefined,
  sizeBytes: number,
): ByteRange | undefined {
  const [, from, to] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header ?? '') ?? []
  const [first, last] = [Number(from), Number(to)]
  return first <= last && last < sizeBytes ? { first, last } : undefined
}

export const contentRange = ({ first, last }: ByteRange, sizeBytes: number): string =>
  `bytes ${first}-${last}/${sizeBytes}`
