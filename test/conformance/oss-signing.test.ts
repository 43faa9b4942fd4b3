// The OSS dialect's signed URLs: their host, their life, and what they bind.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { canonicalRequest, signature, signingKey, stringToSign } from '../../src/signing/oss4.ts'
import {
  addressesOf,
  addressingOf,
  ENDPOINT_KINDS,
  type EndpointKind,
  endpointFor,
  isInternal,
  signingRegion,
} from '../../src/storage/oss/endpoint.ts'
import { objectUrl } from '../../src/storage/rest/address.ts'
import { answering, NOW } from '../support/oss-answering.ts'
import endpoints from '../vectors/oss-endpoints.json' with { type: 'json' }
import presignVectors from '../vectors/oss-v4-presign.json' with { type: 'json' }

const STORAGE_DOC = new URL('../../docs/storage.md', import.meta.url)
const VALIDITY = { from: NOW, seconds: 60 }
const upload = { key: 'multipart.data', storageUploadId: 'ID' }

describe('endpoints', () => {
  const host = (kind: EndpointKind, region: string) => new URL(endpointFor(kind, region)).host

  it.each(endpoints.regions)('of $region', ({ region, ...wanted }) => {
    expect(host('public', region)).toBe(wanted.public)
    if (wanted.internal) expect(host('internal', region)).toBe(wanted.internal)
    if (wanted.dual_stack) expect(host('dual-stack', region)).toBe(wanted.dual_stack)
  })

  it('have templates for every kind', () => {
    const { templates } = endpoints
    for (const kind of ENDPOINT_KINDS) {
      const template = templates[kind.replaceAll('-', '_') as keyof typeof templates]
      expect(host(kind, 'us-west-1')).toBe(template.replace('{region}', 'us-west-1'))
    }
  })

  it.each(endpoints.url_styles)('in $style style', ({ example }) => {
    const url = new URL(example)
    const base = url.origin.replace('//examplebucket.', '//')
    const address = { url: base, addressing: addressingOf(base, 'examplebucket') }
    expect(objectUrl(address, 'examplebucket', 'dir/a b.bin')).toBe(example)
  })

  it('sign one canonical URI whatever the style', async () => {
    const style = (url: string) => {
      const address = { url, addressing: addressingOf(url, 'examplebucket') }
      const { store } = answering(200, '', { publicEndpoint: address })
      const part = { partNumber: 1, sizeBytes: 5 }
      const [signed] = store.presignParts(upload, [part], { from: NOW, seconds: 60 })
      return new URL(signed!.url).searchParams.get('x-oss-signature')
    }
    const urls = [
      'https://oss-accelerate.aliyuncs.com',
      'https://cdn.example.com',
      'http://10.0.0.1',
    ]
    expect(new Set(urls.map(style)).size).toBe(1)
  })

  it('are signed for the bucket in front of the key, and for the region without its prefix', () => {
    for (const region of ['cn-hangzhou', 'oss-cn-hangzhou']) {
      for (const { example } of endpoints.url_styles) {
        const url = new URL(example).origin.replace('//examplebucket.', '//')
        const { endpoint, publicEndpoint } = addressesOf({
          bucket: 'examplebucket',
          region,
          endpoint: url,
        })
        const options = { endpoint, publicEndpoint, region: signingRegion(region) }
        const key = 'dir/a b.bin'
        const signed = answering(200, '', options).store.presignGet(key, 'a', VALIDITY)
        const { origin, pathname, searchParams } = new URL(signed.url)
        expect(origin + pathname).toBe(example)
        searchParams.delete('x-oss-signature')
        const canonical = canonicalRequest({
          method: 'GET',
          bucket: 'examplebucket',
          key,
          query: [...searchParams],
          headers: {},
        })
        expect(canonical.split('\n')[1]).toBe(endpoints.canonical_uri_for_all_styles)
        const scope = { dateTime: '20240102T030405Z', region: 'cn-hangzhou' }
        expect(new URL(signed.url).searchParams.get('x-oss-signature')).toBe(
          signature(signingKey('sk', scope), stringToSign(scope, canonical)),
        )
      }
    }
  })

  it('of our own calls may differ from those in URLs, which are never internal', async () => {
    const store = { bucket: 'examplebucket', region: 'oss-cn-hangzhou', endpoint: 'internal' }
    const hosts = async (publicEndpoint?: string) => {
      const addresses = addressesOf({ ...store, publicEndpoint })
      const { store: opened, asked } = answering(200, '', addresses)
      await opened.abort(upload)
      const get = opened.presignGet('k', 'k', VALIDITY)
      return [new URL(asked[0]!.url).host, new URL(get.url).host]
    }

    const own = 'examplebucket.oss-cn-hangzhou-internal.aliyuncs.com'
    expect(await hosts()).toEqual([own, 'examplebucket.oss-cn-hangzhou.aliyuncs.com'])
    expect(await hosts('accelerate')).toEqual([own, 'examplebucket.oss-accelerate.aliyuncs.com'])
    expect(await hosts('dual-stack')).toEqual([own, 'examplebucket.cn-hangzhou.oss.aliyuncs.com'])
    expect(await hosts('https://files.example.com')).toEqual([own, 'files.example.com'])
  })

  it('that belong to the bucket are used unchanged', () => {
    const url = 'https://examplebucket.oss-cn-hangzhou.aliyuncs.com'
    expect(addressingOf(url, 'examplebucket')).toBe('cname')
  })

  it('take a region with or without its prefix', () => {
    expect(signingRegion('oss-cn-hangzhou')).toBe('cn-hangzhou')
    expect(signingRegion('cn-hangzhou')).toBe('cn-hangzhou')
    expect(endpointFor('public', 'oss-cn-hangzhou')).toBe('https://oss-cn-hangzhou.aliyuncs.com')
  })

  it.each(endpoints.callback_supported_regions)(
    'call back in %s, as docs/storage.md says of each region that does',
    (region) => {
      expect(readFileSync(STORAGE_DOC, 'utf8')).toContain(`\`${region}\``)
    },
  )

  it('are recognised as internal', () => {
    expect(isInternal(endpointFor('internal', 'cn-hangzhou'))).toBe(true)
    expect(isInternal(endpointFor('dual-stack', 'cn-hangzhou'))).toBe(false)
  })
})

describe('the life of a URL', () => {
  const sts = { accessKeyId: 'STS.x', secretAccessKey: 'sk', sessionToken: 'token' }

  it('is 7 days at most with a long-lived key, 12 hours with a token', () => {
    expect(answering(200, '').store.maxUrlSeconds(NOW)).toBe(604_800)
    expect(answering(200, '', { credentials: sts }).store.maxUrlSeconds(NOW)).toBe(43_200)
  })

  it('ends with the credential', () => {
    const credentialsExpireAt = new Date(NOW.getTime() + 90_500)
    const { store } = answering(200, '', { credentials: sts, credentialsExpireAt })
    expect(store.maxUrlSeconds(NOW)).toBe(90)
  })

  it('carries the token in the signed query, never as a header', () => {
    const { store } = answering(200, '', { credentials: sts })
    const [signed] = store.presignParts(upload, [{ partNumber: 1, sizeBytes: 5 }], {
      from: NOW,
      seconds: 60,
    })
    expect(new URL(signed!.url).searchParams.get('x-oss-security-token')).toBe('token')
    expect(signed!.headers).toEqual({})
  })
})

describe('a URL for a part', () => {
  const vector = (id: string) => presignVectors.vectors.find((one) => one.id === id)!
  const sorted = (url: string) => [url.split('?')[0], url.split('?')[1]!.split('&').sort()]

  it.each(['uploadpart-simple', 'uploadpart-key-space-plus-utf8', 'uploadpart-sts-token'])(
    'is that of the official SDK: %s',
    (id) => {
      const { input, expected } = vector(id)
      const { partNumber, uploadId } = Object.fromEntries(input.query)
      const { store } = answering(200, '', {
        bindLength: false,
        credentials: {
          accessKeyId: input.access_key_id,
          secretAccessKey: input.access_key_secret,
          sessionToken: 'security_token' in input ? String(input.security_token) : undefined,
        },
      })

      const [signed] = store.presignParts(
        { key: input.key, storageUploadId: uploadId! },
        [{ partNumber: Number(partNumber), sizeBytes: 1 }],
        { from: NOW, seconds: input.expires },
      )

      expect(sorted(signed!.url)).toEqual(sorted(expected.sdk_url!))
      expect(signed!.headers).toEqual({})
    },
  )

  const signPart = (bindLength: boolean, contentMd5?: string, sizeBytes = 5) => {
    const { store } = answering(200, '', { bindLength })
    const [signed] = store.presignParts(
      upload,
      [{ partNumber: 1, sizeBytes, contentMd5 }],
      VALIDITY,
    )
    const { searchParams } = new URL(signed!.url)
    return {
      headers: signed!.headers,
      additional: searchParams.get('x-oss-additional-headers'),
      signature: searchParams.get('x-oss-signature'),
    }
  }

  it('binds its length, unless that is turned off', () => {
    expect(signPart(true).additional).toBe('content-length')
    expect(signPart(true, undefined, 5).signature).not.toBe(signPart(true, undefined, 6).signature)
    expect(signPart(false).additional).toBeNull()
    expect(signPart(false, undefined, 5).signature).toBe(signPart(false, undefined, 6).signature)
  })

  it.each([true, false])('binds an MD5 that the client declared (bindLength %s)', (bindLength) => {
    const one = signPart(bindLength, 'eB5eJF1ptWaXm4bijSPyxw==')
    const other = signPart(bindLength, '1B2M2Y8AsgTpgAmY7PhCfg==')

    expect(one.headers).toEqual({ 'Content-MD5': 'eB5eJF1ptWaXm4bijSPyxw==' })
    expect(one.additional).toBe(bindLength ? 'content-length' : null)
    expect(one.signature).not.toBe(other.signature)
    expect(one.signature).not.toBe(signPart(bindLength).signature)
  })
})

describe('a URL for a whole object', () => {
  const object = { key: 'k', uploadId: 'upl_1', contentType: 'text/plain' }
  const put = (overwrite: 'never' | 'replace', bindLength = true) =>
    answering(200, '', { bindLength }).store.presignPut(
      { ...object, overwrite, headers: { cacheControl: 'no-cache' } },
      { partNumber: 1, sizeBytes: 5 },
      VALIDITY,
    )

  it('binds type, stamp and forbid-overwrite, and lists what V4 signs only by name', () => {
    const signed = put('never')

    expect(signed.headers).toEqual({
      'Content-Type': 'text/plain',
      'Cache-Control': 'no-cache',
      'x-oss-meta-countersign-upload': 'upl_1',
      'x-oss-forbid-overwrite': 'true',
    })
    const { searchParams } = new URL(signed.url)
    expect(searchParams.get('x-oss-additional-headers')).toBe('cache-control;content-length')
  })

  it('may be written again only if the policy replaces', () => {
    expect(put('replace').headers).not.toHaveProperty('x-oss-forbid-overwrite')
    const without = new URL(put('replace', false).url).searchParams
    expect(without.get('x-oss-additional-headers')).toBe('cache-control')
  })
})
