// Fetches the certificates that senders sign with, within limits, and verifies with them by WebCrypto. A URL is checked by its
// source before it comes here. The host that serves a certificate over https is what is trusted, not its issuer.
import { importX509 } from 'jose'
import { fromBase64, fromUtf8 } from '../../bytes/encoding.ts'
import { exchange } from '../../net/exchange.ts'

const FRESH_MS = 24 * 3600_000
const TIMEOUT_MS = 5_000
const MAX_BYTES = 16 * 1024
const MAX_CERTIFICATES = 32
/** Anybody can name another path of the right host, so the fetches of a minute are few. */
const MAX_FETCHES = 10
const WINDOW_MS = 60_000

export interface CertificatesOptions {
  /** Must refuse private addresses. */
  fetch: typeof fetch
  clock: () => Date
  timeoutMs?: number
}

export type RsaHash = 'SHA-1' | 'SHA-256'

/** Verifies RSASSA-PKCS1-v1_5 under the certificate at a URL. False for a bad signature and for a certificate that cannot be had. */
export type VerifyWithCertificate = (
  url: string,
  hash: RsaHash,
  signature: string,
  message: Uint8Array<ArrayBuffer>,
) => Promise<boolean>

/** The public key of a certificate, as SPKI. WebCrypto reads no X.509; jose takes the key out. */
async function spkiOf(pem: string): Promise<ArrayBuffer> {
  const key = await importX509(pem.trim(), 'RS256', { extractable: true })
  return crypto.subtle.exportKey('spki', key)
}

/** Lives as long as the process or isolate. */
export function certificates(options: CertificatesOptions): VerifyWithCertificate {
  const known = new Map<string, { spki: ArrayBuffer; fetchedAt: number }>()
  let fetches: number[] = []

  async function load(url: string): Promise<ArrayBuffer | undefined> {
    const now = options.clock().getTime()
    const cached = known.get(url)
    if (cached && now - cached.fetchedAt < FRESH_MS) return cached.spki
    fetches = fetches.filter((at) => now - at < WINDOW_MS)
    if (fetches.length >= MAX_FETCHES) return cached?.spki
    fetches.push(now)
    const { timeoutMs = TIMEOUT_MS } = options
    try {
      const answer = await exchange(options.fetch, url, {}, { timeoutMs, maxBytes: MAX_BYTES })
      if (answer.status !== 200) return cached?.spki
      const spki = await spkiOf(fromUtf8(answer.body()))
      if (known.size >= MAX_CERTIFICATES) known.delete(known.keys().next().value!)
      known.set(url, { spki, fetchedAt: now })
      return spki
    } catch {
      // No answer, or no certificate: the older copy still serves.
      return cached?.spki
    }
  }

  return async (url, hash, signature, message) => {
    const bytes = fromBase64(signature)
    if (!bytes?.length) return false
    const spki = await load(url)
    if (!spki) return false
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash }
    const key = await crypto.subtle.importKey('spki', spki, algorithm, false, ['verify'])
    return crypto.subtle.verify(algorithm.name, key, bytes, message)
  }
}

/** A URL of https whose host matches, written without user, port, query or fragment. Undefined for any other. */
export function certificateUrl(text: string | undefined, host: RegExp): string | undefined {
  if (!text || !URL.canParse(text)) return undefined
  const url = new URL(text)
  const isPlain = url.href === `https://${url.hostname}${url.pathname}` && url.href === text
  return isPlain && host.test(url.hostname) ? url.href : undefined
}
