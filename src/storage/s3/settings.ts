// The settings that only an S3 store has, or that it reads in a way of its own.
import { z } from 'zod'
import { httpUrl } from '../../net/http-url.ts'
import { endpointOf, signingRegion } from './endpoint.ts'
import { productOf, S3_PRODUCT_NAMES, type S3ProductName } from './products.ts'

/** Scheme and host only, because the path is the bucket's. */
const endpoint = httpUrl.refine((url) => {
  const { pathname, search, hash, username } = new URL(url)
  return pathname === '/' && !search && !hash && !username
}, 'must be scheme and host only, such as https://s3.example.com: the bucket goes into STORE_BUCKET')

/** Names that every product takes. One with dots goes into the path. */
const bucketName = (name: string): boolean =>
  /^[a-z0-9]([a-z0-9.-]{1,61})[a-z0-9]$/.test(name) &&
  !name.includes('..') &&
  !/^\d+(\.\d+){3}$/.test(name)

export const s3Settings = {
  product: z
    .enum(S3_PRODUCT_NAMES)
    .default('generic')
    .describe('Product of the S3 family: its limits and features are a row of docs/storage.md'),
  region: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'must be like eu-central-1 or auto')
    .optional()
    .describe('Region in signatures; needed for aws, b2 and wasabi'),
  bucket: z
    .string()
    .refine(
      bucketName,
      'must be the name of a bucket: 3 to 63 of a-z, 0-9, dot and -, and no IP address',
    )
    .describe('Bucket'),
  endpoint: endpoint
    .optional()
    .describe('Where the service reaches the store: a URL; aws, gcs, b2 and wasabi have their own'),
  publicEndpoint: endpoint.optional().describe('Endpoint in signed URLs, if another'),
}

interface Settings {
  product: S3ProductName
  bucket: string
  region?: string
  endpoint?: string
  exclusive?: boolean
}

/** Faults of settings that are right one by one. */
export function s3Faults(settings: Settings): Array<{ setting: keyof Settings; message: string }> {
  const { product, exclusive } = settings
  const row = productOf(product)
  const faults: ReturnType<typeof s3Faults> = []
  if (!signingRegion(settings)) {
    faults.push({ setting: 'region', message: `${row.title} needs the bucket’s region` })
  } else if (!endpointOf(settings)) {
    faults.push({ setting: 'endpoint', message: `${row.title} needs the store’s URL` })
  }
  if (exclusive && !row.listsUploadsByPrefix) {
    const message = `${row.title} does not list uploads by prefix, so the sweep cannot find unknown ones: leave it out`
    faults.push({ setting: 'exclusive', message })
  }
  return faults
}
