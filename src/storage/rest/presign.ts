// What clients are handed of any store: signed URLs for parts, for a whole object and for reading. Pure.
import type { ObjectStore, PartToSign } from '../../core/ports/object-store.ts'
import type { PutHeaders, Signer } from './call.ts'
import type { Dialect } from './dialect.ts'
import { attachment } from './headers.ts'

type Presign = Pick<ObjectStore, 'presignParts' | 'presignPut' | 'presignGet'>

/** `bindLength`: sign the exact Content-Length, too. */
export function restPresign(
  signer: Signer,
  { objectHeaders, createOnlyHeaders }: Dialect,
  { bindLength }: { bindLength: boolean },
): Presign {
  /** What a part's or object's PUT signs besides the query, and what its sender must therefore send. */
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
      const { sent, signed } = putHeaders(part, {
        ...objectHeaders(object),
        ...createOnlyHeaders(object),
      })
      return signer.byQuery({ method: 'PUT', key: object.key, headers: signed }, validity, sent)
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
  }
}
