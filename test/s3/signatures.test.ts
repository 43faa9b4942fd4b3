// Two independent signers of SigV4 produce our signatures, for any key, upload id, session token and bound headers. They are
// installed into .s3/signers from test/s3/signers. Left out by name: aws4fetch collapses "." and ".." segments of a key, as every
// WHATWG URL does, and reads a plus sign in a path as a space, so both signers get the encoded URL.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Sha256 } from '@aws-crypto/sha256-js'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { percentEncodePath } from '../../src/bytes/encoding.ts'
import { canonicalQuery, signQuery, sigv4DateTime } from '../../src/signing/sigv4.ts'

const load = createRequire(join(import.meta.dirname, '../../.s3/signers/package.json'))

const NOW = new Date('2026-04-01T08:09:10Z')
const REGION = 'eu-central-1'
const HOST = 'localhost:9000'
const scope = { dateTime: sigv4DateTime(NOW), region: REGION }

const segment = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  .filter((text) => !/^\.{1,2}$/.test(text))
const key = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
const request = fc.record({
  key: key.filter((text) => text.split('/').every((part) => !/^\.{1,2}$/.test(part))),
  uploadId: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }),
  partNumber: fc.integer({ min: 1, max: 10_000 }),
  sessionToken: fc.option(fc.base64String({ minLength: 4, maxLength: 200 }), { nil: undefined }),
  headers: fc.record(
    {
      'content-length': fc.nat().map(String),
      'content-md5': fc.base64String({ minLength: 24, maxLength: 24 }),
      'x-amz-checksum-crc32c': fc.base64String({ minLength: 8, maxLength: 8 }),
    },
    { requiredKeys: [] },
  ),
})
type Request = typeof request extends fc.Arbitrary<infer Value> ? Value : never

const credentialsOf = ({ sessionToken }: Request) => ({
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken,
})

const queryOf = ({ uploadId, partNumber }: Request) =>
  [
    ['partNumber', String(partNumber)],
    ['uploadId', uploadId],
  ] as const

/** Our parameters, with those that the other signer adds of its own. */
function ours(given: Request, more: ReadonlyArray<readonly [string, string]> = []) {
  const path = `/bucket/${given.key}`
  const query = [...queryOf(given), ...more]
  const signed = { method: 'PUT', host: HOST, path, query, headers: given.headers }
  return signQuery(signed, credentialsOf(given), scope, 900).split('&').sort()
}

it('aws4fetch signs as we do', async () => {
  const { AwsV4Signer } = load('aws4fetch')
  await fc.assert(
    fc.asyncProperty(request, async (given) => {
      const query = canonicalQuery([...queryOf(given), ['X-Amz-Expires', '900']])
      const signer = new AwsV4Signer({
        ...credentialsOf(given),
        url: `http://${HOST}${percentEncodePath(`/bucket/${given.key}`)}?${query}`,
        method: 'PUT',
        headers: given.headers,
        service: 's3',
        region: REGION,
        datetime: scope.dateTime,
        signQuery: true,
        allHeaders: true,
      })

      const { url } = await signer.sign()

      expect(canonicalQuery([...url.searchParams]).split('&')).toEqual(
        ours(given).filter((pair) => !pair.startsWith('X-Amz-Signature=')),
      )
      expect(ours(given)).toContain(`X-Amz-Signature=${url.searchParams.get('X-Amz-Signature')}`)
    }),
  )
})

it('the presigner of the AWS SDK for JavaScript signs as we do', async () => {
  const { S3RequestPresigner } = load('@aws-sdk/s3-request-presigner')
  await fc.assert(
    fc.asyncProperty(request, async (given) => {
      const presigner = new S3RequestPresigner({
        region: REGION,
        credentials: credentialsOf(given),
        sha256: Sha256,
      })
      const names = new Set(Object.keys(given.headers))

      const { query } = await presigner.presign(
        {
          method: 'PUT',
          protocol: 'http:',
          hostname: 'localhost',
          port: 9000,
          path: percentEncodePath(`/bucket/${given.key}`),
          query: Object.fromEntries(queryOf(given)),
          headers: { host: HOST, ...given.headers },
        },
        { expiresIn: 900, signingDate: NOW, unhoistableHeaders: names, signableHeaders: names },
      )

      const { 'X-Amz-Signature': signature, ...rest } = query as Record<string, string>
      const sent = [
        ...canonicalQuery(Object.entries(rest)).split('&'),
        `X-Amz-Signature=${signature}`,
      ]
      expect(sent.sort()).toEqual(ours(given, [['X-Amz-Content-Sha256', 'UNSIGNED-PAYLOAD']]))
    }),
  )
})
