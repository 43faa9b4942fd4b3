// The correctness gate: a signature that a peer or the staged signer would not make stops the run before anything is measured.
import assert from 'node:assert/strict'
import OSS from 'ali-oss'
import { sha256Repeatedly } from '../dist/bytes/sha256-repeated.js'
import { signingKey, signQuery } from '../dist/signing/oss4.js'
import { planParts } from '../dist/signing/oss4-parts.js'
import { EXAMPLE } from './signing-example.mjs'

const { bucket, region, key, storageUploadId, credentials, expiresSeconds } = EXAMPLE

/** ali-oss takes the time from its clock, so its date is read from its URL. */
export async function checkAgainstAliOss() {
  const client = new OSS({
    accessKeyId: credentials.accessKeyId,
    accessKeySecret: credentials.secretAccessKey,
    bucket,
    region: `oss-${region}`,
    secure: true,
    authorizationV4: true,
  })
  for (const partNumber of [1, 9, 10, 99, 100, 999, 1000, 9999, 10_000]) {
    const request = { queries: { partNumber, uploadId: storageUploadId } }
    const theirs = new URL(await client.signatureUrlV4('PUT', expiresSeconds, request, key))
    const scope = { dateTime: theirs.searchParams.get('x-oss-date'), region }
    const shared = {
      ...{ bucket, key, storageUploadId, credentials, scope, expiresSeconds },
      signingKey: signingKey(credentials.secretAccessKey, scope),
    }
    for (const sha256 of [undefined, sha256Repeatedly]) {
      const ours = new URLSearchParams(planParts({ ...shared, sha256 })(partNumber, {}))
      ours.sort()
      theirs.searchParams.sort()
      assert.equal(ours.toString(), theirs.searchParams.toString())
    }
  }
}

/** For a URL with any signed headers, which must be of the example upload. */
export function checkStaged(url, partNumber, headers) {
  const { searchParams } = new URL(url)
  const scope = { dateTime: searchParams.get('x-oss-date'), region }
  const request = {
    ...{ method: 'PUT', bucket, key, headers, additionalHeaders: Object.keys(headers) },
    query: [
      ['partNumber', String(partNumber)],
      ['uploadId', storageUploadId],
    ],
  }
  const seconds = Number(searchParams.get('x-oss-expires'))
  assert.equal(url.split('?')[1], signQuery(request, credentials, scope, seconds))
}
