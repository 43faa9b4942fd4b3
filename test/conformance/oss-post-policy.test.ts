// Form policies: vectors of the official signer, stage by stage, and the policy that we sign.
import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { signingKey } from '../../src/signing/oss4.ts'
import { encodePolicy, signPolicy } from '../../src/storage/oss/post-policy.ts'
import { ossSigner } from '../../src/storage/oss/sign.ts'
import vectors from '../vectors/oss-post-policy.json' with { type: 'json' }

describe.each(vectors.vectors)('$id', ({ version, policy_json, policy_base64, signature }) => {
  it('has this base64', () => {
    expect(encodePolicy(policy_json)).toBe(policy_base64)
  })

  it('has this signature', () => {
    const { access_key_secret: secret, region, date } = vectors
    const signed =
      version === 'v4'
        ? signPolicy(signingKey(secret, { dateTime: `${date}T030405Z`, region }), policy_base64)
        : // Not issued by us: the embedded store accepts it.
          createHmac('sha1', secret).update(policy_base64).digest('base64')

    expect(signed).toBe(signature)
  })
})

describe('our form', () => {
  const sign = (sessionToken?: string) =>
    ossSigner({
      bucket: 'examplebucket',
      region: 'cn-hangzhou',
      credentials: { accessKeyId: 'ak', secretAccessKey: 'sk', sessionToken },
      endpoint: { url: 'https://oss-cn-hangzhou-internal.aliyuncs.com', addressing: 'virtual' },
      publicEndpoint: { url: 'https://oss-cn-hangzhou.aliyuncs.com', addressing: 'virtual' },
    }).byForm(
      { key: 'user/eric/a b.jpg', 'Content-Type': 'image/jpeg' },
      { least: 1, most: 10_485_760 },
      { from: new Date('2024-01-02T03:04:05Z'), seconds: 3600 },
    )

  it('goes to the bucket’s public host, and its policy names every field', () => {
    const { url, fields } = sign()

    expect(url).toBe('https://examplebucket.oss-cn-hangzhou.aliyuncs.com/')
    const policy = Buffer.from(fields.policy!, 'base64').toString()
    expect(JSON.parse(policy)).toEqual({
      expiration: '2024-01-02T04:04:05.000Z',
      conditions: [
        { bucket: 'examplebucket' },
        ['content-length-range', 1, 10485760],
        ['eq', '$key', 'user/eric/a b.jpg'],
        ['eq', '$content-type', 'image/jpeg'],
        { 'x-oss-signature-version': 'OSS4-HMAC-SHA256' },
        { 'x-oss-credential': 'ak/20240102/cn-hangzhou/oss/aliyun_v4_request' },
        { 'x-oss-date': '20240102T030405Z' },
      ],
    })
    const key = signingKey('sk', { dateTime: '20240102T030405Z', region: 'cn-hangzhou' })
    expect(fields['x-oss-signature']).toBe(signPolicy(key, fields.policy!))
  })

  it('names the security token of temporary credentials, as a field and a condition', () => {
    const { fields } = sign('CAIS+/=token')

    expect(fields['x-oss-security-token']).toBe('CAIS+/=token')
    expect(JSON.parse(Buffer.from(fields.policy!, 'base64').toString()).conditions).toContainEqual({
      'x-oss-security-token': 'CAIS+/=token',
    })
  })
})
