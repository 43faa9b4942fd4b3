// URLs of a bucket and its objects.
import { percentEncodePath } from '../../bytes/encoding.ts'

/** Without a query. The key is percent-encoded byte by byte, because `new URL` would change it. */
export function objectUrl({ url, addressing }: BucketAddress, bucket: string, key = ''): string {
  const { protocol, host } = new URL(url)
  const path = percentEncodePath(key)
  if (addressing === 'path') return `${protocol}//${host}/${bucket}/${path}`
  if (addressing === 'cname') return `${protocol}//${host}/${path}`
  return `${protocol}//${bucket}.${host}/${path}`
}

/** The bucket's name is in the host, in the path, or nowhere, because the host is the bucket's own. */
export type Addressing = 'virtual' | 'path' | 'cname'

/** `url` is scheme and host. */
export interface BucketAddress {
  url: string
  addressing: Addressing
}
