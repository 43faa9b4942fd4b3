// OSS signature V4 of many UploadPart URLs. A plan holds everything that the parts of one storage upload share; signing a part
// then adds its number and headers. A property test compares the result with signQuery of oss4.ts, which is simpler and slower.
import type { HashRepeatedly } from '../bytes/sha256-repeated.ts'
import { planBatch, type SignFilled, type Template } from './batch.ts'
import {
  additionalHeaderNames,
  canonicalHeaders,
  canonicalQuery,
  canonicalUri,
  type Oss4Credentials,
  type Oss4Request,
  type Oss4Scope,
  signerQuery,
  stringToSignHead,
} from './oss4.ts'

/** More combinations of header names than callers have. */
const MAX_SHAPES = 16

export interface Oss4PartsPlan {
  bucket: string
  /** The object key, not encoded. */
  key: string
  storageUploadId: string
  credentials: Oss4Credentials
  scope: Oss4Scope
  expiresSeconds: number
  /** The signing key of the scope: see `signingKey`. */
  signingKey: Uint8Array
  /** SHA-256 of this runtime unless given. */
  sha256?: HashRepeatedly
}

/** Returns the encoded query of one part's URL with the signature last. */
export type SignPart = (
  partNumber: number,
  headers: Oss4Request['headers'],
  additionalHeaders?: readonly string[],
) => string

/** Stands for the value with this index in a text that becomes a template. No encoded text and no header name contains U+0000. */
const gap = (index: number): string => `\0${index}\0`

function templateOf(text: string): Template {
  const pieces = text.split('\0')
  return {
    literals: pieces.filter((_, index) => index % 2 === 0),
    gaps: pieces.filter((_, index) => index % 2 === 1).map(Number),
  }
}

/** What parts with the same header names share. */
interface Shape {
  /** The query after the part number, without the signature. */
  queryTail: string
  sign: SignFilled
}

/**
 * Returns the signer of a batch. Pure.
 *
 * ```ts
 * const sign = planParts({ bucket, key, storageUploadId, credentials, scope, expiresSeconds: 900, signingKey })
 * const url = `${objectUrl}?${sign(1, { 'content-length': '1048576' }, ['content-length'])}`
 * ```
 */
export function planParts(plan: Oss4PartsPlan): SignPart {
  const { credentials, scope, expiresSeconds, storageUploadId, signingKey, sha256 } = plan
  const requestHead = `PUT\n${canonicalUri(plan)}\n`
  const prepare = planBatch({ signingKey, stringToSignHead: stringToSignHead(scope), sha256 })

  /** Value 0 is the part number; the values of the headers follow in their order. */
  function shapeOf(names: string[], additionalHeaders: readonly string[]): Shape {
    const headers = Object.fromEntries(names.map((name, index) => [name, gap(index + 1)]))
    const additional = additionalHeaderNames({ headers, additionalHeaders })
    // `partNumber` sorts before every other parameter, so that the rest of the query is the same text for all parts.
    const query = canonicalQuery([
      ['uploadId', storageUploadId],
      ...signerQuery(credentials, scope, expiresSeconds, additional),
    ])
    const canonical = `${requestHead}partNumber=${gap(0)}&${query}\n${canonicalHeaders(headers, additional)}`
    return { queryTail: `&${query}&x-oss-signature=`, sign: prepare(templateOf(canonical)) }
  }

  const shapes = new Map<string, Shape>()
  return (partNumber, headers, additionalHeaders = []) => {
    const names = Object.keys(headers)
    const id = `${names.join()}\n${additionalHeaders.join()}`
    let shape = shapes.get(id)
    if (!shape) {
      if (shapes.size === MAX_SHAPES) shapes.clear()
      shape = shapeOf(names, additionalHeaders)
      shapes.set(id, shape)
    }
    const values = [String(partNumber)]
    for (const name of names) values.push(headers[name]!.trim())
    return `partNumber=${values[0]}${shape.queryTail}${shape.sign(values)}`
  }
}
