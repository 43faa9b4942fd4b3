// The batch signer gives the same bytes as the staged one, for any key, ids, token and headers.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../../src/bytes/encoding.ts'
import { nativeSha256Repeatedly } from '../../../src/bytes/sha256-native.ts'
import { sha256Repeatedly } from '../../../src/bytes/sha256-repeated.ts'
import { signingKey, signQuery } from '../../../src/signing/oss4.ts'
import { planParts } from '../../../src/signing/oss4-parts.ts'

/** Up to the longest key of OSS, 1,023 bytes. */
const key = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 1023 })
  .filter((text) => utf8(text).length <= 1023)
/** Numbers around a change in digits, where a text of fixed length would break. */
const partNumber = fc.constantFrom(1, 9, 10, 99, 100, 999, 1000, 9_999, 10_000)
const id = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 1024, size: 'max' })
const token = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 4096, size: 'max' })
const headers = fc.record(
  {
    'content-length': fc.nat().map(String),
    'Content-MD5': fc.base64String({ minLength: 24, maxLength: 24 }),
    // Beyond ASCII too, where characters and bytes differ in number.
    'x-oss-meta-a': fc.string({ unit: 'grapheme', maxLength: 20 }),
    'x-oss-content-sha256': fc.constantFrom('UNSIGNED-PAYLOAD', 'ab'.repeat(32)),
    'cache-control': fc.constant('no-store'),
  },
  { requiredKeys: [] },
)
const additional = fc.subarray(['content-length', 'cache-control', 'host', 'content-md5'])

describe('a batch of part URLs', () => {
  it.each([
    ['node:crypto', nativeSha256Repeatedly],
    ['plain JavaScript', sha256Repeatedly],
  ])('is signed by %s as one URL at a time would be', (_, sha256) => {
    const batch = fc.array(fc.tuple(partNumber, headers, additional), {
      minLength: 1,
      maxLength: 8,
    })
    const sessionToken = fc.option(token, { nil: undefined })
    fc.assert(
      fc.property(key, id, sessionToken, batch, (objectKey, storageUploadId, sts, parts) => {
        const bucket = 'example-bucket'
        const credentials = { accessKeyId: 'ak', secretAccessKey: 'sk', sessionToken: sts }
        const scope = { dateTime: '20260401T080910Z', region: 'cn-hangzhou' }
        const sign = planParts({
          bucket,
          key: objectKey,
          storageUploadId,
          credentials,
          scope,
          expiresSeconds: 900,
          sha256,
          signingKey: signingKey(credentials.secretAccessKey, scope),
        })

        const signed = parts.map(([number, sent, names]) => sign(number, sent, names))

        expect(signed).toEqual(
          parts.map(([number, sent, names]) =>
            signQuery(
              {
                method: 'PUT',
                bucket,
                key: objectKey,
                query: [
                  ['partNumber', String(number)],
                  ['uploadId', storageUploadId],
                ],
                headers: sent,
                additionalHeaders: names,
              },
              credentials,
              scope,
              900,
            ),
          ),
        )
      }),
    )
  })

  it('may have more lengths of values than it keeps prepared', () => {
    const signingKey = new Uint8Array(32)
    const scope = { dateTime: '20260401T080910Z', region: 'cn-hangzhou' }
    const credentials = { accessKeyId: 'ak', secretAccessKey: 'sk' }
    const shared = { bucket: 'b', key: 'k', storageUploadId: 'u', credentials, scope }
    const sign = planParts({ ...shared, expiresSeconds: 900, signingKey })
    const signed = (length: number) => sign(1, { 'x-oss-meta-a': 'a'.repeat(length) })

    const before = Array.from({ length: 200 }, (_, length) => signed(length))

    expect(new Set(before).size).toBe(200)
    expect(Array.from({ length: 200 }, (_, length) => signed(length))).toEqual(before)
  })
})
