// Reads and writes objects of the embedded store with its own key, for the processing double.
import { percentEncodePath } from '../../../src/bytes/encoding.ts'
import { oss4DateTime, signHeaders } from '../../../src/signing/oss4.ts'
import type { ProcessingStoreOptions } from './server.ts'

export interface StoredBytes {
  bytes: Uint8Array
  contentType: string
}

export function bucketAccess(options: ProcessingStoreOptions) {
  const { storeUrl, bucket, region, clock } = options

  async function call(method: 'GET' | 'PUT', key: string, content?: StoredBytes) {
    const headers = signHeaders(
      {
        method,
        bucket,
        key,
        query: [],
        headers: content ? { 'content-type': content.contentType } : {},
      },
      options,
      { dateTime: oss4DateTime(clock()), region },
    )
    return fetch(`${storeUrl}/${bucket}/${percentEncodePath(key)}`, {
      method,
      headers,
      body: content && new Uint8Array(content.bytes),
    })
  }

  return {
    async read(key: string): Promise<StoredBytes | undefined> {
      const answer = await call('GET', key)
      if (!answer.ok) return undefined
      return {
        bytes: new Uint8Array(await answer.arrayBuffer()),
        contentType: answer.headers.get('content-type') ?? '',
      }
    },

    async write(key: string, content: StoredBytes): Promise<void> {
      const answer = await call('PUT', key, content)
      if (!answer.ok) throw new Error(`The embedded store did not take ${key}: ${answer.status}`)
    },
  }
}

export type BucketAccess = ReturnType<typeof bucketAccess>
