// The OSS dialect of ObjectStore: what every store does, and forms, direct completion, processing and callbacks beside it.
import type { ObjectStore, RawRequest, StoreMedia } from '../../core/ports/object-store.ts'
import { caller } from '../rest/call.ts'
import { type RestStoreOptions, restStore } from '../rest/store.ts'
import { ossDialect } from './dialect.ts'
import { ossPresign } from './presign.ts'
import { ossProcess } from './process.ts'
import { type OssSignerOptions, ossSigner } from './sign.ts'

export interface OssOptions
  extends OssSignerOptions,
    Omit<RestStoreOptions, keyof OssSignerOptions> {
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
  const { send } = caller(signer, ossDialect.failures, options)
  const readCallback: ObjectStore['readCallback'] = (request) =>
    options.parseCallbackBody(request.headers.get('content-type'), request.body)

  return {
    ...restStore(ossDialect, signer, options),
    ...ossPresign(signer),
    process: { ...ossProcess(send, options.bucket), media: options.media },

    verifyCallback: (request) =>
      options.verifyCallback(request) ? readCallback(request) : undefined,
    readCallback,
  }
}
