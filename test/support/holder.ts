// Signs requests with temporary credentials, as a client's own SDK does.
import type { Oss4Credentials } from '../../src/signing/oss4.ts'
import { ossSigner } from '../../src/storage/oss/sign.ts'

/** `issued` is the response of POST /v1/credentials. */
export function holderOf(issued: Record<string, any>): ReturnType<typeof ossSigner> {
  const address = { url: issued.endpoint, addressing: 'path' as const }
  return ossSigner({
    bucket: issued.bucket,
    region: issued.region,
    credentials: issued as Oss4Credentials,
    endpoint: address,
    publicEndpoint: address,
  })
}
