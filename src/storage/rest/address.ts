// URLs of a bucket and its objects.
import { percentEncodePath } from '../../bytes/encoding.ts'

/** Where a request goes: the host with its port, if it is not the scheme's own, and the path, not encoded. */
export function objectTarget({ url, addressing }: BucketAddress, bucket: string, key = '') {
  const { host } = new URL(url)
  return {
    host: addressing === 'virtual' ? `${bucket}.${host}` : host,
    path: addressing === 'path' ? `/${bucket}/${key}` : `/${key}`,
  }
}

/** Without a query. The key is percent-encoded byte by byte, because `new URL` would change it. */
export function objectUrl(address: BucketAddress, bucket: string, key = ''): string {
  const { host, path } = objectTarget(address, bucket, key)
  return `${new URL(address.url).protocol}//${host}${percentEncodePath(path)}`
}

/** The bucket's name is in the host, in the path, or nowhere, because the host is the bucket's own. */
export type Addressing = 'virtual' | 'path' | 'cname'

/** `url` is scheme and host. */
export interface BucketAddress {
  url: string
  addressing: Addressing
}
