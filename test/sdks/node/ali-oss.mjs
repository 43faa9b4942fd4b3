// Drives ali-oss (npm): one JSON job on stdin, one JSON answer as the last line of stdout.
import { open } from 'node:fs/promises'
import { json } from 'node:stream/consumers'
import OSS from 'ali-oss'
import urllib from 'urllib'

// snippet: client-with-sts
const clientOf = (job) =>
  new OSS({
    endpoint: job.endpoint,
    region: `oss-${job.region}`,
    bucket: job.bucket,
    accessKeyId: job.accessKeyId,
    accessKeySecret: job.secretAccessKey,
    stsToken: job.sessionToken,
    authorizationV4: job.signature === 'v4',
    // Path style: only for an endpoint that is an IP address.
    sldEnable: true,
  })
// end

async function slice(path, offset, sizeBytes) {
  const file = await open(path)
  try {
    const { buffer } = await file.read(Buffer.alloc(sizeBytes), 0, sizeBytes, offset)
    return buffer
  } finally {
    await file.close()
  }
}

// snippet: put-part-by-url
async function putUrl({ url, headers, file, offset, sizeBytes }) {
  // ali-oss has no call that takes a URL; its HTTP client, urllib, adds no Content-Type to a Buffer.
  const content = await slice(file, offset, sizeBytes)
  const { status, headers: received } = await urllib.request(url, {
    method: 'PUT',
    headers,
    content,
    timeout: 60_000,
  })
  return { status, etag: unquoted(received.etag ?? '') }
}
// end

// snippet: upload-with-sts
async function upload(job) {
  const { key, file, partSizeBytes } = job
  const { etag } = await clientOf(job).multipartUpload(key, file, { partSize: partSizeBytes })
  return { etag: unquoted(etag) }
}
// end

async function resume(job) {
  const { key, file, partSizeBytes } = job
  const first = clientOf(job)
  let checkpoint
  try {
    await first.multipartUpload(key, file, {
      partSize: partSizeBytes,
      parallel: 1,
      progress(_share, current) {
        checkpoint = structuredClone(current)
        if (current?.doneParts.length === 2) first.cancel()
      },
    })
    throw new Error('not interrupted')
  } catch (error) {
    if (error.name !== 'cancel') throw error
  }
  const second = clientOf(job)
  const { etag } = await second.multipartUpload(key, file, { checkpoint })
  return { resumed: true, etag: unquoted(etag) }
}

async function abort(job) {
  const { key, file, partSizeBytes } = job
  const client = clientOf(job)
  const { uploadId } = await client.initMultipartUpload(key)
  await client.uploadPart(key, uploadId, 1, file, 0, partSizeBytes)
  await client.abortMultipartUpload(key, uploadId)
  try {
    await client.listParts(key, uploadId)
    return { code: '' }
  } catch (error) {
    return { code: error.code }
  }
}

async function presignPart(job) {
  const queries = { partNumber: String(job.partNumber), uploadId: job.uploadId }
  const url = await clientOf(job).signatureUrlV4('PUT', job.expiresSeconds, { queries }, job.key)
  return { url }
}

const unquoted = (etag) => etag.replaceAll('"', '')

const ACTIONS = {
  'put-url': putUrl,
  upload,
  resume,
  abort,
  'presign-part': presignPart,
}

const job = await json(process.stdin)
let answer
try {
  answer = await ACTIONS[job.action](job)
} catch (error) {
  answer = { error: { code: error.code, status: error.status, message: error.message } }
}
console.log(JSON.stringify(answer))
