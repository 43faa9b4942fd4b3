// The OSS dialect of ObjectStore: the common store with forms, direct completion, processing and callbacks.
import type { ObjectStore, StoreMedia } from '../../core/ports/object-store.ts'
import { caller } from '../rest/call.ts'
import { type RestStoreOptions, restStore } from '../rest/store.ts'
import { readOssCallback, verifyOssCallback } from './callback.ts'
import { ossDialect } from './dialect.ts'
import { ossPresign } from './presign.ts'
import { ossProcess } from './process.ts'
import { type OssSignerOptions, ossSigner } from './sign.ts'

export interface OssOptions
  extends OssSignerOptions,
    Omit<RestStoreOptions, keyof OssSignerOptions> {
  /** Transcoding by another service. */
  media?: StoreMedia
  /** The embedded store's own key, SPKI PEM. */
  callbackKeyPem?: string
}

export function oss(options: OssOptions): ObjectStore {
  const signer = ossSigner(options)
  const { send } = caller(signer, ossDialect.failures, options)
  return {
    ...restStore(ossDialect, signer, options),
    ...ossPresign(signer),
    process: { ...ossProcess(send, options.bucket), media: options.media },

    verifyCallback: (request) =>
      verifyOssCallback(request, options.callbackKeyPem) ? readOssCallback(request) : undefined,
    readCallback: readOssCallback,
  }
}
