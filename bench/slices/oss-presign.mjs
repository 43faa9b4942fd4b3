// A slice: OSS V4 URLs of 1,000 parts, by Countersign's signer for a batch or by ali-oss one at a time.
import OSS from 'ali-oss'
import { ossSigner } from '../../dist/storage/oss/sign.js'
import { EXAMPLE } from '../signing-example.mjs'
import { measure } from './measure.mjs'

const PARTS = 1000
const { bucket, region, key, storageUploadId, credentials, expiresSeconds } = EXAMPLE

const sides = {
  ours() {
    const endpoint = { url: `https://oss-${region}.aliyuncs.com`, addressing: 'virtual' }
    const signer = ossSigner({ bucket, region, credentials, endpoint, publicEndpoint: endpoint })
    return () => {
      const validity = { from: new Date(), seconds: expiresSeconds }
      const sign = signer.forParts({ key, storageUploadId }, validity)
      for (let part = 1; part <= PARTS; part++) sign(part, { sent: {}, signed: {} })
    }
  },
  peer() {
    const client = new OSS({
      accessKeyId: credentials.accessKeyId,
      accessKeySecret: credentials.secretAccessKey,
      bucket,
      region: `oss-${region}`,
      secure: true,
      authorizationV4: true,
    })
    return async () => {
      for (let part = 1; part <= PARTS; part++) {
        const request = { queries: { partNumber: part, uploadId: storageUploadId } }
        await client.signatureUrlV4('PUT', expiresSeconds, request, key)
      }
    }
  },
}

await measure(sides[process.argv[2]](), { seconds: Number(process.argv[3]), unitsPerRun: PARTS })
