// Signed URLs for clients: for parts, for a whole object, for reading. Pure.
import type { ObjectStore, PartToSign } from '../../core/ports/object-store.ts'
import type { PutHeaders, Signer } from './call.ts'
import type { Dialect } from './dialect.ts'
import { attachment } from './headers.ts'

type Presign = Pick<ObjectStore, 'presignParts' | 'presignPut' | 'presignGet'>

/** `bindLength` signs the exact Content-Length. */
export function restPresign(
  signer: Signer,
  { objectHeaders }: Dialect,
  { bindLength }: { bindLength: boolean },
): Presign {
  function putHeaders(part: PartToSign, headers: Record<string, string>): PutHeaders {
    const sent = part.contentMd5 ? { ...headers, 'Content-MD5': part.contentMd5 } : headers
    const signed = bindLength ? { ...sent, 'content-length': String(part.sizeBytes) } : sent
    return { sent, signed }
  }

  return {
    presignParts(upload, parts, validity) {
      const sign = signer.forParts(upload, validity)
      return parts.map((part) => sign(part.partNumber, putHeaders(part, {})))
    },

    presignPut(object, part, validity) {
      const { sent, signed } = putHeaders(part, objectHeaders(object))
      return signer.byQuery({ method: 'PUT', key: object.key, headers: signed }, validity, sent)
    },

    presignGet(key, filename, validity) {
      const query = [['response-content-disposition', attachment(filename)]] as const
      return signer.byQuery({ method: 'GET', key, query }, validity)
    },
  }
}
