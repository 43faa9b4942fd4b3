// Drives ali-oss (npm): one JSON job on stdin, one JSON answer as the last line of stdout.
import { json } from 'node:stream/consumers'
import { clientOf, putPart, upload } from './upload.mjs'

const clientFor = (job) => clientOf(job.issued, { authorizationV4: job.signature === 'v4' })

async function putUrl(job) {
  await putPart(job.part, job.file, job.partSizeBytes)
  return {}
}

async function uploadFile(job) {
  const { etag } = await upload(clientFor(job), job.issued.key, job.file, job.partSizeBytes)
  return { etag: unquoted(etag) }
}

async function resume(job) {
  const { issued, file, partSizeBytes } = job
  const first = clientFor(job)
  let checkpoint
  try {
    await upload(first, issued.key, file, partSizeBytes, {
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
  const second = clientFor({ ...job, issued: job.again })
  await upload(second, issued.key, file, partSizeBytes, { checkpoint })
  return { resumed: true }
}

async function begin(job) {
  const { issued, file, partSizeBytes } = job
  const client = clientFor(job)
  const { uploadId } = await client.initMultipartUpload(issued.key)
  await client.uploadPart(issued.key, uploadId, 1, file, 0, partSizeBytes)
  return { uploadId }
}

async function abort(job) {
  await clientFor(job).abortMultipartUpload(job.issued.key, job.uploadId)
  return {}
}

async function list(job) {
  const { parts } = await clientFor(job).listParts(job.issued.key, job.uploadId)
  // A single part is no array.
  return { partCount: [parts].flat().length }
}

async function presignPart(job) {
  const queries = { partNumber: String(job.partNumber), uploadId: job.uploadId }
  const { key } = job.issued
  const url = await clientFor(job).signatureUrlV4('PUT', job.expiresSeconds, { queries }, key)
  return { url }
}

const unquoted = (etag) => etag.replaceAll('"', '')

const ACTIONS = {
  'put-url': putUrl,
  upload: uploadFile,
  resume,
  begin,
  abort,
  list,
  'presign-part': presignPart,
}

const job = await json(process.stdin)
let answer
try {
  answer = await ACTIONS[job.action](job)
} catch (error) {
  answer = { error: { code: error.code, message: error.message } }
}
console.log(JSON.stringify(answer))
