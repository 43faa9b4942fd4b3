// The products of the S3 family, a row each. The code asks the row and no product by name. Rows follow the products' documentation
// and, for MinIO, the server's source; `ceph` and `generic` were run, on Ceph RGW 16.2 and versitygw 1.7, the others on no live service.
import { GiB, MiB, type PartLimits } from '../../core/part-plan.ts'

const TiB = 1024 * GiB

export interface S3Product {
  title: string
  limits: PartLimits
  /** Every part but the last must have one size. Plans always do; a client with credentials of its own must know. */
  equalParts: boolean
  addressing: 'virtual' | 'path'
  /** If the product has hosts of its own. */
  endpoint?: (region: string) => string
  /** For signatures, unless STORE_REGION says another. Without one, STORE_REGION is needed. */
  region?: string
  /** True if HEAD shows checksums when it is asked to. Elsewhere the question itself may be refused. */
  showsChecksums: boolean
  /** True if a single PUT can refuse to overwrite. */
  createOnlyPut: boolean
  /** True if a completion can refuse to overwrite. */
  createOnlyComplete: boolean
  /** True if uploads in progress are listed by the beginning of their keys. */
  listsUploadsByPrefix: boolean
  /** False if it percent-encodes listed keys but neither says so nor encodes its markers. */
  encodesListedKeys: boolean
  /** Days after which the product aborts an unfinished upload without any rule of the bucket. */
  cleanupDays?: number
}

const COMMON_LIMITS: PartLimits = {
  minPartSizeBytes: 5 * MiB,
  maxPartSizeBytes: 5 * GiB,
  maxPartCount: 10_000,
  maxObjectSizeBytes: 5 * TiB,
}

/** What every product of the family has. A row says only what is known beyond it. */
const COMMON = {
  limits: COMMON_LIMITS,
  equalParts: false,
  addressing: 'path',
  showsChecksums: false,
  createOnlyPut: false,
  createOnlyComplete: false,
  listsUploadsByPrefix: true,
  encodesListedKeys: true,
} as const satisfies Partial<S3Product>

export const S3_PRODUCTS = {
  aws: {
    ...COMMON,
    title: 'AWS S3',
    limits: { ...COMMON_LIMITS, maxObjectSizeBytes: 10_000 * 5 * GiB },
    addressing: 'virtual',
    endpoint: (region) =>
      `https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`,
    showsChecksums: true,
    createOnlyPut: true,
    createOnlyComplete: true,
  },
  r2: {
    ...COMMON,
    title: 'Cloudflare R2',
    limits: {
      ...COMMON_LIMITS,
      maxPartSizeBytes: 5 * GiB - 5 * MiB,
      maxObjectSizeBytes: 5 * TiB - 5 * GiB,
    },
    equalParts: true,
    region: 'auto',
    showsChecksums: true,
    createOnlyPut: true,
    cleanupDays: 7,
  },
  minio: {
    ...COMMON,
    title: 'MinIO',
    limits: {
      ...COMMON_LIMITS,
      maxPartSizeBytes: 5 * TiB,
      maxObjectSizeBytes: 50 * TiB,
    },
    region: 'us-east-1',
    showsChecksums: true,
    createOnlyPut: true,
    createOnlyComplete: true,
    listsUploadsByPrefix: false,
    cleanupDays: 1,
  },
  ceph: {
    ...COMMON,
    title: 'Ceph RGW',
    region: 'us-east-1',
    createOnlyPut: true,
    encodesListedKeys: false,
  },
  gcs: {
    ...COMMON,
    title: 'Google Cloud Storage (XML API)',
    endpoint: () => 'https://storage.googleapis.com',
    region: 'auto',
  },
  b2: {
    ...COMMON,
    title: 'Backblaze B2',
    limits: {
      ...COMMON_LIMITS,
      minPartSizeBytes: 5_000_000,
      maxObjectSizeBytes: 10_000_000_000_000,
    },
    endpoint: (region) => `https://s3.${region}.backblazeb2.com`,
  },
  wasabi: {
    ...COMMON,
    title: 'Wasabi',
    limits: {
      ...COMMON_LIMITS,
      maxPartSizeBytes: 5_000_000_000,
      maxObjectSizeBytes: 5_000_000_000_000,
    },
    endpoint: (region) => `https://s3.${region}.wasabisys.com`,
  },
  generic: { ...COMMON, title: 'another S3-compatible store', region: 'us-east-1' },
} as const satisfies Record<string, S3Product>

export type S3ProductName = keyof typeof S3_PRODUCTS

export const S3_PRODUCT_NAMES = Object.keys(S3_PRODUCTS) as S3ProductName[]

export const productOf = (name: S3ProductName): S3Product => S3_PRODUCTS[name]
