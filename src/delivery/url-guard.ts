// Decides which URLs the service may call: public https only, unless the configuration allows private targets. A host name is
// checked by its form here, and by its address when the connection opens (`addressAllowed`).
import ipaddr from 'ipaddr.js'

export interface UrlGuardOptions {
  /** Also allows http, loopback and private addresses. Link-local ones, and so cloud metadata, stay refused. */
  allowPrivate: boolean
}

const MAX_URL_LENGTH = 2048
const PRIVATE_RANGES: readonly string[] = ['loopback', 'private', 'uniqueLocal']
const PRIVATE_SUFFIXES = ['localhost', 'local', 'internal']
/** All public IPv6 addresses (IANA IPv6 address space). Others may embed an IPv4 address. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')

/** Returns the parsed URL, whose `href` must be used, or a clause that says why it is not allowed. */
export function checkUrl(
  text: string,
  { allowPrivate }: UrlGuardOptions,
): { url: URL } | { reason: string } {
  if (text.length > MAX_URL_LENGTH)
    return { reason: `it is longer than ${MAX_URL_LENGTH} characters` }
  const url = parse(text)
  if (!url) return { reason: 'it is not an absolute URL' }
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) {
    return { reason: allowPrivate ? 'it is neither http nor https' : 'it is not https' }
  }
  if (url.username || url.password) return { reason: 'it carries a user name or a password' }
  if (text.includes('#')) return { reason: 'it carries a fragment' }
  return hostAllowed(url.hostname, allowPrivate) ? { url } : { reason: 'its host is not allowed' }
}

/** A fetch that rejects with the reason if a URL is not allowed. It checks the URL, but not the address. */
export const checkedFetch =
  (fetchFrom: typeof fetch, options: UrlGuardOptions): typeof fetch =>
  async (input, init) => {
    const checked = checkUrl(input instanceof Request ? input.url : String(input), options)
    if ('reason' in checked) throw new Error(checked.reason)
    return fetchFrom(checked.url.href, init)
  }

/**
 * Whether a connection to this IP address is allowed. Call it when opening the socket, because a name may resolve to another
 * address than when it was checked (DNS rebinding).
 */
export function addressAllowed(ip: string, { allowPrivate }: UrlGuardOptions): boolean {
  const address = parseAddress(ip)
  if (!address) return false
  const range = address.range()
  if (allowPrivate && PRIVATE_RANGES.includes(range)) return true
  if (range !== 'unicast') return false
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST)
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}

/** Accepts whole addresses only: no zone, no short or octal form. An IPv4-mapped address becomes the IPv4 address. */
function parseAddress(ip: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(ip)) return ipaddr.IPv4.parse(ip)
  return !ip.includes('%') && ipaddr.IPv6.isValid(ip) ? ipaddr.process(ip) : undefined
}

/** Expects a hostname from `URL`: in lower case, IDNs in ASCII, numeric hosts in four decimal parts. */
function hostAllowed(hostname: string, allowPrivate: boolean): boolean {
  const host = hostname.replace(/^\[|\]$|\.$/g, '')
  if (parseAddress(host)) return addressAllowed(host, { allowPrivate })
  const labels = host.split('.')
  if (labels.includes('')) return false
  return allowPrivate || (labels.length > 1 && !PRIVATE_SUFFIXES.includes(labels.at(-1)!))
}
