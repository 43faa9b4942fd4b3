// The single byte range of a GET (RFC 9110 §14.2) or of a copy.
import { refusal } from '../refusal.ts'
import type { WireHeaders } from '../wire.ts'

export interface ByteRange {
  first: number
  last: number
}

/**
 * Undefined for the whole object: without a header, or with one that is malformed or names several ranges. A range that
 * reaches or begins beyond the end means the whole object, too, unless `x-oss-range-behavior` is `standard`: then it is cut
 * at the end, or throws InvalidRange. Source: Alibaba Cloud OSS, "GetObject", "Range".
 */
export function readRange(headers: WireHeaders, sizeBytes: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec((headers.range ?? '').trim())
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [, from = '', to = ''] = match
  const end = sizeBytes - 1
  if (from === '') {
    if (Number(to) === 0) throw invalidRange(sizeBytes)
    return sizeBytes === 0 ? undefined : { first: Math.max(sizeBytes - Number(to), 0), last: end }
  }
  const [first, last] = [Number(from), to === '' ? end : Number(to)]
  if (to !== '' && last < first) return undefined
  const standard = headers['x-oss-range-behavior']?.toLowerCase() === 'standard'
  if (first > end) {
    if (standard) throw invalidRange(sizeBytes)
    return undefined
  }
  return last <= end || standard ? { first, last: Math.min(last, end) } : undefined
}

const invalidRange = (sizeBytes: number) =>
  refusal('InvalidRange', { headers: { 'content-range': `bytes */${sizeBytes}` } })

/** Undefined for the whole object: OSS ignores a missing, malformed or impossible range of a copy. */
export function readCopyRange(
  header: string | undefined,
  sizeBytes: number,
): ByteRange | undefined {
  const [, from, to] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  const first = Number(from)
  const last = to === '' ? sizeBytes - 1 : Number(to)
  return first <= last && last < sizeBytes ? { first, last } : undefined
}

export const contentRange = ({ first, last }: ByteRange, sizeBytes: number): string =>
  `bytes ${first}-${last}/${sizeBytes}`
