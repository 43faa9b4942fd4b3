// The official clients that install.sh puts into .s3/. They judge what we sign, and read what was stored.
import { createRequire } from 'node:module'
import { join } from 'node:path'

export const S3_FOLDER = join(import.meta.dirname, '../../.s3')

const load = createRequire(join(S3_FOLDER, 'node/package.json'))

/** A module of the AWS SDK for JavaScript, installed beside our own dependencies and not among them. */
export const sdk = (name: string): Record<string, any> => load(`@aws-sdk/${name}`)

export interface Login {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

export interface Account extends Login {
  endpoint: string
  region: string
}

/** `@aws-sdk/client-s3`. `send('HeadObject', input)` sends its HeadObjectCommand. */
export function s3Client({ endpoint, region, ...credentials }: Account) {
  const module = sdk('client-s3')
  const client = new module.S3Client({
    endpoint,
    region,
    credentials,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  const send = (name: string, input: object): Promise<Record<string, any>> =>
    client.send(new module[`${name}Command`](input))
  return { client, send }
}
