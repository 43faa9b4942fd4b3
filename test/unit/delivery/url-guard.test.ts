// Allowed webhook URLs: public https, and private targets only if the configuration allows them.
import { describe, expect, it } from 'vitest'
import { addressAllowed, checkUrl } from '../../../src/delivery/url-guard.ts'

const publicOnly = { allowPrivate: false }
const privateToo = { allowPrivate: true }

const allowed = (text: string, options: { allowPrivate: boolean }) =>
  'url' in checkUrl(text, options)

/** Allowed under either setting. */
const PUBLIC = [
  'https://example.com',
  'https://example.com/hook?a=b&c=%20d',
  'https://example.com:8443/hook',
  'HTTPS://EXAMPLE.COM/',
  'https://example.com./',
  'https://bücher.example/',
  'https://例え.テスト/',
  'https://8.8.8.8/',
  'https://8.8.8.8:1/',
  'https://134744072/',
  'https://[2606:4700::1111]/',
  'https://[::ffff:8.8.8.8]/',
  'https://localhost.example.com/',
  'https://local.example/',
  'https://internal.example.com/',
  'https://notlocalhost.com/',
]

/** Refused unless private targets are allowed. */
const PRIVATE = [
  'http://example.com/',
  'http://8.8.8.8/',
  'https://localhost/',
  'https://LOCALHOST/',
  'https://localhost./',
  'https://app.localhost/',
  'https://app.localhost./',
  'https://printer.local/',
  'https://metadata.google.internal/',
  'https://metadata.google.INTERNAL./',
  'https://postgres/',
  'https://com/',
  'https://com./',
  'https://ⓛocalhost/',
  'https://%6cocalhost/',
  'https://app。local/',
  'https://127.0.0.1/',
  'https://127.0.0.1./',
  'https://127.1/',
  'https://127.255.255.254/',
  'https://0x7f.1/',
  'https://0x7f000001/',
  'https://0177.0.0.1/',
  'https://2130706433/',
  'https://１２７.0.0.1/',
  'https://10.0.0.1/',
  'https://172.16.0.1/',
  'https://172.31.255.255/',
  'https://192.168.1.1/',
  'https://[::1]/',
  'https://[0:0:0:0:0:0:0:1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::FFFF:10.0.0.1]/',
  'https://[fd00::1]/',
  'https://[fc00::1]/',
]

/** Refused in any case. */
const NEVER = [
  '',
  'example.com',
  '//example.com/',
  '/hook',
  'https://',
  'ftp://example.com/',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'data:text/plain,x',
  'wss://example.com/',
  'https://user@example.com/',
  'https://user:secret@example.com/',
  'https://:secret@example.com/',
  'https://example.com/#a',
  'https://example.com/#',
  'https://example..com/',
  'https://example.com../',
  'https://.example.com/',
  'https://example.com:65536/',
  'https://256.0.0.1/',
  'https://1.2.3.4.5/',
  'https://0.0.0.0/',
  'https://0/',
  'https://0.1.2.3/',
  'https://169.254.169.254/latest/meta-data',
  'https://0xa9fea9fe/',
  'https://100.64.0.1/',
  'https://100.100.100.200/latest/meta-data',
  'https://192.0.0.192/',
  'https://192.0.2.1/',
  'https://198.18.0.1/',
  'https://198.51.100.1/',
  'https://203.0.113.1/',
  'https://224.0.0.1/',
  'https://240.0.0.1/',
  'https://255.255.255.255/',
  'https://[::]/',
  'https://[::127.0.0.1]/',
  'https://[::8.8.8.8]/',
  'https://[::ffff:169.254.169.254]/',
  'https://[::ffff:100.100.100.200]/',
  'https://[::ffff:0:127.0.0.1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[64:ff9b::8.8.8.8]/',
  'https://[64:ff9b:1::1]/',
  'https://[2002:7f00:1::]/',
  'https://[2001::1]/',
  'https://[2001:db8::1]/',
  'https://[3fff::1]/',
  'https://[fe80::1]/',
  'https://[fe80::1%25eth0]/',
  'https://[::1%25lo]/',
  'https://[fec0::1]/',
  'https://[ff02::1]/',
  'https://[100::1]/',
  'https://[4000::1]/',
]

describe('checkUrl', () => {
  it.each(PUBLIC)('allows %s', (text) => {
    expect(allowed(text, publicOnly)).toBe(true)
    expect(allowed(text, privateToo)).toBe(true)
  })

  it.each(PRIVATE)('allows %s only where private targets are', (text) => {
    expect(allowed(text, publicOnly)).toBe(false)
    expect(allowed(text, privateToo)).toBe(true)
  })

  it.each(NEVER)('never allows %j', (text) => {
    expect(allowed(text, publicOnly)).toBe(false)
    expect(allowed(text, privateToo)).toBe(false)
  })

  it('accepts up to 2048 characters', () => {
    const url = (length: number) => 'https://example.com/'.padEnd(length, 'x')

    expect(allowed(url(2048), publicOnly)).toBe(true)
    expect(checkUrl(url(2049), publicOnly)).toEqual({
      reason: 'it is longer than 2048 characters',
    })
  })

  it('returns the parsed URL', () => {
    expect(checkUrl(' HTTPS://Example.COM:443/a/../b?c ', publicOnly)).toEqual({
      url: new URL('https://example.com/b?c'),
    })
  })

  it.each([
    ['http://example.com/', 'it is not https'],
    ['example.com', 'it is not an absolute URL'],
    ['https://u:p@example.com/', 'it carries a user name or a password'],
    ['https://example.com/#x', 'it carries a fragment'],
    ['https://10.0.0.1/', 'its host is not allowed'],
  ])('says why %s is refused', (text, reason) => {
    expect(checkUrl(text, publicOnly)).toEqual({ reason })
  })
})

describe('addressAllowed', () => {
  it.each(['8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8'])('allows %s', (ip) => {
    expect(addressAllowed(ip, publicOnly)).toBe(true)
    expect(addressAllowed(ip, privateToo)).toBe(true)
  })

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '192.168.0.1',
    '172.16.0.1',
    '::1',
    'fd00::1',
    '::ffff:10.0.0.1',
  ])('allows %s only where private targets are', (ip) => {
    expect(addressAllowed(ip, publicOnly)).toBe(false)
    expect(addressAllowed(ip, privateToo)).toBe(true)
  })

  it.each([
    '169.254.169.254',
    '100.100.100.200',
    '0.0.0.0',
    '255.255.255.255',
    '::',
    'fe80::1',
    'fe80::1%eth0',
    '::1%lo',
    '2606:4700::1111%eth0',
    '64:ff9b::7f00:1',
    '::ffff:169.254.169.254',
    '0x7f.1',
    '127.1',
    '0177.0.0.1',
    '2130706433',
    'localhost',
    'example.com',
    '[::1]',
    '',
  ])('never allows %j', (ip) => {
    expect(addressAllowed(ip, publicOnly)).toBe(false)
    expect(addressAllowed(ip, privateToo)).toBe(false)
  })
})
