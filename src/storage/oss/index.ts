// The OSS dialect of ObjectStore: native multipart with V4 signatures, the stamp, forbid-overwrite and upload callbacks.
import { GiB, KiB } from '../../core/part-plan.ts'
import type { ObjectStore, RawRequest, StoreMedia } from '../../core/ports/object-store.ts'
import { type OssCaller, ossCaller } from '../rest/call.ts'
import { ossListing } from '../rest/listing.ts'
import { ossMultipart } from '../rest/multipart.ts'
import { ossObjects } from '../rest/objects.ts'
import { ossPresign } from '../rest/presign.ts'
import { ossProcess } from './process.ts'
import { type OssSignerOptions, ossSigner } from './sign.ts'

/** "Limits", Alibaba Cloud OSS: parts of 100 KB to 5 GB, 10,000 of them. */
export const OSS_LIMITS = {
  minPartSizeBytes: 100 * KiB,
  maxPartSizeBytes: 5 * GiB,
  maxPartCount: 10_000,
  maxObjectSizeBytes: 10_000 * 5 * GiB,
}

const MAX_URL_SECONDS = 604_800
const MAX_STS_URL_SECONDS = 43_200

export interface OssOptions extends OssSignerOptions, OssCaller {
  name: string
  /** When temporary credentials end, where that is known. */
  credentialsExpireAt?: Date
  /** Sign the exact Content-Length of parts as an additional header. */
  bindLength: boolean
  exclusive?: boolean
  cleanupDays?: number
  issueCredentials?: ObjectStore['issueCredentials']
  /** Transcoding, by a service of its own. */
  media?: StoreMedia
  /** Checks a callback's signature; without one no callback is believed. */
  verifyCallback: (request: RawRequest) => boolean
  parseCallbackBody: (
    contentType: string | null,
    body: Uint8Array,
  ) => Record<string, string> | undefined
}

export function oss(options: OssOptions): ObjectStore {
  const signer = ossSigner(options)
  const send = ossCaller(signer, options)
  const readCallback: ObjectStore['readCallback'] = (request) =>
    options.parseCallbackBody(request.headers.get('content-type'), request.body)

  return {
    name: options.name,
    dialect: 'oss',
    limits: OSS_LIMITS,
    createOnlyPut: true,
    bindsLength: options.bindLength,
    exclusive: options.exclusive ?? false,
    cleanupSeconds: (options.cleanupDays ?? Number.POSITIVE_INFINITY) * 86_400,
    location: {
      endpoint: options.publicEndpoint.url,
      region: options.region,
      bucket: options.bucket,
    },
    issueCredentials: options.issueCredentials,
    verifiableChecksums: ['crc64'],

    maxUrlSeconds(from) {
      const { credentials, credentialsExpireAt } = options
      const most = credentials.sessionToken ? MAX_STS_URL_SECONDS : MAX_URL_SECONDS
      if (!credentialsExpireAt) return most
      return Math.min(most, Math.floor((credentialsExpireAt.getTime() - from.getTime()) / 1000))
    },

    ...ossPresign(signer, options),
    ...ossMultipart(send, options),
    ...ossListing(send),
    ...ossObjects(send),
    process: { ...ossProcess(send, options.bucket), media: options.media },

    verifyCallback: (request) =>
      options.verifyCallback(request) ? readCallback(request) : undefined,
    readCallback,
  }
}
