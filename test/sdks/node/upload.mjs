// Uploads with ali-oss, with credentials or to part URLs. docs/clients.md shows it, the tests run it: keep it fit to copy.
// snippet: upload
import { open } from 'node:fs/promises'
import { isIP } from 'node:net'
import OSS from 'ali-oss'
import urllib from 'urllib'

/** A client with what `POST /v1/credentials` answered. */
export const clientOf = (issued, options = {}) =>
  new OSS({
    endpoint: issued.endpoint,
    region: `oss-${issued.region}`,
    bucket: issued.bucket,
    accessKeyId: issued.accessKeyId,
    accessKeySecret: issued.secretAccessKey,
    stsToken: issued.sessionToken,
    authorizationV4: true,
    // An address like that of the embedded store has no room for the bucket in its name.
    sldEnable: isIP(new URL(issued.endpoint).hostname) > 0,
    ...options,
  })

/** `checkpoint`: the last one that `progress(share, checkpoint)` was called with; the upload goes on there. */
export const upload = (client, key, file, partSizeBytes, { checkpoint, ...options } = {}) =>
  client.multipartUpload(key, file, { partSize: partSizeBytes, checkpoint, ...options })

/** Sends one of the `parts` that `POST /v1/uploads` answered; its `plan` has `partSizeBytes`. */
export async function putPart(part, file, partSizeBytes) {
  const content = Buffer.alloc(part.sizeBytes)
  const source = await open(file)
  try {
    await source.read(content, 0, part.sizeBytes, (part.partNumber - 1) * partSizeBytes)
  } finally {
    await source.close()
  }
  // ali-oss has no call that takes a URL. Its HTTP client, urllib, adds no Content-Type to a Buffer.
  const { status, data } = await urllib.request(part.url, {
    method: 'PUT',
    headers: part.headers,
    content,
    timeout: 60_000,
  })
  if (status !== 200) throw new Error(`Part ${part.partNumber}: ${status} ${data}`)
}
// end
