// The batch signer gives the same bytes as the staged one, for any key, ids, token and headers.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { signingKey, signQuery } from '../../../src/signing/oss4.ts'
import { planParts } from '../../../src/signing/oss4-parts.ts'

const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 120 })
/** Numbers around a change in digits, where a text of fixed length would break. */
const partNumber = fc.constantFrom(1, 9, 10, 99, 100, 999, 1000, 9_999, 10_000)
const text = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 1024 })
const headers = fc.record(
  {
    'content-length': fc.nat().map(String),
    'Content-MD5': fc.base64String({ minLength: 24, maxLength: 24 }),
    'x-oss-meta-a': fc.string({ unit: 'grapheme-ascii', maxLength: 20 }),
    'cache-control': fc.constant('no-store'),
  },
  { requiredKeys: [] },
)
const additional = fc.subarray(['content-length', 'cache-control', 'host', 'content-md5'])

describe('a batch of part URLs', () => {
  it('is signed as one URL at a time would be', () => {
    const batch = fc.array(fc.tuple(partNumber, headers, additional), {
      minLength: 1,
      maxLength: 8,
    })
    const sessionToken = fc.option(text, { nil: undefined })
    fc.assert(
      fc.property(key, text, sessionToken, batch, (objectKey, storageUploadId, token, parts) => {
        const bucket = 'example-bucket'
        const credentials = { accessKeyId: 'ak', secretAccessKey: 'sk', sessionToken: token }
        const scope = { dateTime: '20260401T080910Z', region: 'cn-hangzhou' }
        const sign = planParts({
          bucket,
          key: objectKey,
          storageUploadId,
          credentials,
          scope,
          expiresSeconds: 900,
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
})
