// URLs of a bucket and its objects, in each way that an endpoint can name the bucket.
import { percentEncodePath } from '../../bytes/encoding.ts'

/** The URL without query of a bucket or an object, the key percent-encoded byte by byte (never through `new URL`). */
export function objectUrl({ url, addressing }: BucketAddress, bucket: string, key = ''): string {
  const { protocol, host } = new URL(url)
  const path = percentEncodePath(key)
  if (addressing === 'path') return `${protocol}//${host}/${bucket}/${path}`
  if (addressing === 'cname') return `${protocol}//${host}/${path}`
  return `${protocol}//${bucket}.${host}/${path}`
}

/** Where the bucket's name stands: in the host, in the path, or nowhere since the host is the bucket's own. */
export type Addressing = 'virtual' | 'path' | 'cname'

/** Scheme and host, and where they leave the bucket's name. */
export interface BucketAddress {
  url: string
  addressing: Addressing
}
