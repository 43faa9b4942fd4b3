// What clients are handed: signed URLs for parts, for a whole object, for reading and for a direct completion. Pure.
import type { ObjectStore, PartToSign } from '../../core/ports/object-store.ts'
import { callbackFields, callbackQuery } from '../oss/callback-query.ts'
import { completeHeaders, forbidOverwrite, objectHeaders } from '../oss/headers.ts'
import type { OssSigner, PutHeaders } from '../oss/sign.ts'
import { attachment } from './headers.ts'

type Presign = Required<
  Pick<
    ObjectStore,
    'presignParts' | 'presignPut' | 'presignForm' | 'presignGet' | 'presignComplete'
  >
>

/** Other headers are signed only where they are listed: else a client might leave them out, or send others. */
const SIGNED_ANYWAY = /^(content-type$|content-md5$|x-oss-)/i

/** `bindLength`: sign the exact Content-Length as an additional header. */
export function ossPresign(signer: OssSigner, { bindLength }: { bindLength: boolean }): Presign {
  /** What a part's or object's PUT signs besides the query, and what its sender must therefore send. */
  function putHeaders(part: PartToSign, headers: Record<string, string>): PutHeaders {
    const sent = part.contentMd5 ? { ...headers, 'Content-MD5': part.contentMd5 } : headers
    const signed: Record<string, string> = bindLength
      ? { ...sent, 'content-length': String(part.sizeBytes) }
      : sent
    const additionalHeaders = Object.keys(signed).filter((name) => !SIGNED_ANYWAY.test(name))
    return { sent, signed, additionalHeaders }
  }

  return {
    presignParts(upload, parts, validity) {
      const sign = signer.forParts(upload, validity)
      return parts.map((part) => sign(part.partNumber, putHeaders(part, {})))
    },

    presignPut(object, part, validity) {
      const { sent, signed, additionalHeaders } = putHeaders(part, {
        ...objectHeaders(object),
        ...forbidOverwrite(object),
      })
      return signer.byQuery(
        { method: 'PUT', key: object.key, headers: signed, additionalHeaders },
        validity,
        sent,
      )
    },

    presignForm(object, size, validity, callback) {
      return signer.byForm(
        {
          key: object.key,
          success_action_status: '200',
          // OSS may take fields that a policy does not name. These would make another object, so they are always named.
          'x-oss-content-type': object.contentType,
          'x-oss-object-acl': 'default',
          ...objectHeaders(object),
          ...forbidOverwrite(object),
          ...(callback ? callbackFields(callback) : {}),
        },
        size,
        validity,
      )
    },

    presignGet: (key, filename, validity) =>
      signer.byQuery(
        {
          method: 'GET',
          key,
          query: [['response-content-disposition', attachment(filename)]],
        },
        validity,
      ),

    presignComplete(upload, callback, object, validity) {
      const headers = {
        'x-oss-complete-all': 'yes',
        ...completeHeaders(object),
        ...forbidOverwrite(object),
      }
      return signer.byQuery(
        {
          method: 'POST',
          key: upload.key,
          query: [...callbackQuery(callback), ['uploadId', upload.storageUploadId]],
          headers,
        },
        validity,
        headers,
      )
    },
  }
}
