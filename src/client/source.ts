// The file to upload, and its fingerprint.

/** The file to upload: a browser's File wrapped in a few lines, or anything else with a size and byte ranges. */
export interface Source {
  name: string
  size: number
  /** The content type. The service applies its default without one. */
  type?: string
  /** Reads the bytes from `start` up to, but not including, `end`. Return a Blob without a type, so that no Content-Type is sent. */
  slice(start: number, end: number): Promise<Blob | Uint8Array<ArrayBuffer>>
}

const EDGE_BYTES = 64 * 1024

export const toBytes = async (
  content: Blob | Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> =>
  content instanceof Uint8Array ? content : new Uint8Array(await content.arrayBuffer())

/**
 * Computes the same fingerprint for the same file on every device: a hash over name, size, and the first and last 64 KiB. A
 * difference in the middle of two files goes unnoticed here, but `upload` verifies every stored part before it skips it.
 */
export async function fingerprintOf(source: Source): Promise<string> {
  const { name, size } = source
  const head = await toBytes(await source.slice(0, Math.min(size, EDGE_BYTES)))
  const tail = await toBytes(await source.slice(Math.max(0, size - EDGE_BYTES), size))
  const facts = new TextEncoder().encode(`${name.normalize('NFC')}\n${size}\n`)
  const bytes = await new Blob([facts, head, tail]).arrayBuffer()
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
