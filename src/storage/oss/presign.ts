// Signed requests for clients that only OSS has: a form, and a completion that OSS reports to us. Pure.
import type { ObjectStore } from '../../core/ports/object-store.ts'
import { callbackFields, callbackQuery } from './callback-query.ts'
import { completeHeaders, createOnlyHeaders, objectHeaders } from './headers.ts'
import type { OssSigner } from './sign.ts'

type Presign = Required<Pick<ObjectStore, 'presignForm' | 'presignComplete'>>

export const ossPresign = (signer: OssSigner): Presign => ({
  presignForm(object, size, validity, callback) {
    return signer.byForm(
      {
        key: object.key,
        success_action_status: '200',
        // OSS may accept fields that the policy does not name, and these would change the object, so they are always named.
        'x-oss-content-type': object.contentType,
        'x-oss-object-acl': 'default',
        ...objectHeaders(object),
        ...createOnlyHeaders(object),
        ...(callback ? callbackFields(callback) : {}),
      },
      size,
      validity,
    )
  },

  presignComplete(upload, callback, object, validity) {
    const headers = {
      'x-oss-complete-all': 'yes',
      ...completeHeaders(object),
      ...createOnlyHeaders(object),
    }
    const query = [...callbackQuery(callback), ['uploadId', upload.storageUploadId] as const]
    return signer.byQuery({ method: 'POST', key: upload.key, query, headers }, validity, headers)
  },
})
