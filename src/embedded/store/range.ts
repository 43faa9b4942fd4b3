// The Range header of one byte range (RFC 9110 §14.2).
import { refusal } from './refusal.ts'

export interface ByteRange {
  first: number
  last: number
}

/** Undefined where the whole object is meant, or more than one range is asked for. Throws InvalidRange. */
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
