// What every S3 server of these tests has, and how one is started: a bucket, its owner's key, and a first upload that warms it up.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { s3Client } from './peers.ts'

export interface S3Server {
  name: 'ceph' | 'versitygw'
  endpoint: string
  region: string
  bucket: string
  accessKeyId: string
  secretAccessKey: string
  /** The role to assume for temporary credentials, where the server has STS. */
  roleArn?: string
  /** Another user of the server, who owns nothing in the bucket. */
  stranger?: { accessKeyId: string; secretAccessKey: string }
}

export interface RunningServer {
  server: S3Server
  end(): Promise<void>
}

const COMMAND_MS = 60_000
const execute = promisify(execFile)

/** Runs a command to its end, and returns what it printed. */
export async function command(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(program, args, { timeout: COMMAND_MS, maxBuffer: 16 << 20 })
  return stdout
}

/** Makes the bucket. A first multipart upload takes Ceph seconds, which no test should pay. */
export async function prepare(server: S3Server): Promise<void> {
  const { client, send } = s3Client(server)
  try {
    const where = { Bucket: server.bucket, Key: 'warm-up' }
    await send('CreateBucket', { Bucket: server.bucket })
    const { UploadId } = await send('CreateMultipartUpload', where)
    const part = { ...where, UploadId, PartNumber: 1 }
    const { ETag } = await send('UploadPart', { ...part, Body: Buffer.from('x') })
    const parts = { Parts: [{ PartNumber: 1, ETag }] }
    await send('CompleteMultipartUpload', { ...where, UploadId, MultipartUpload: parts })
    await send('DeleteObject', where)
  } finally {
    client.destroy()
  }
}
