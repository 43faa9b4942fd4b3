// Endpoints of OSS: the hosts of a region, where each has the bucket's name, and which ones clients reach.
// Source: Alibaba Cloud OSS, "Regions and endpoints", "Access OSS over custom domain names".
import type { Addressing, BucketAddress } from '../rest/address.ts'

export const ENDPOINT_KINDS = [
  'public',
  'internal',
  'dual-stack',
  'accelerate',
  'accelerate-overseas',
] as const
export type EndpointKind = (typeof ENDPOINT_KINDS)[number]

/** The region's id in signatures: `cn-hangzhou`, also if `oss-cn-hangzhou` is configured. */
export const signingRegion = (region: string): string => region.replace(/^oss-/, '')

const HOSTS: Record<EndpointKind, (region: string) => string> = {
  public: (region) => `oss-${region}.aliyuncs.com`,
  internal: (region) => `oss-${region}-internal.aliyuncs.com`,
  'dual-stack': (region) => `${region}.oss.aliyuncs.com`,
  // Signatures still have the bucket's own region.
  accelerate: () => 'oss-accelerate.aliyuncs.com',
  'accelerate-overseas': () => 'oss-accelerate-overseas.aliyuncs.com',
}

export const endpointFor = (kind: EndpointKind, region: string): string =>
  `https://${HOSTS[kind](signingRegion(region))}`

/** Only Alibaba's own network reaches such a host, so no client gets its URL. */
export const isInternal = (endpoint: string): boolean =>
  /-internal\.aliyuncs\.com$/i.test(new URL(endpoint).hostname)

const isAddress = (hostname: string): boolean =>
  hostname === 'localhost' || hostname.startsWith('[') || /^\d+(\.\d+){3}$/.test(hostname)

/** From the form of the host: any host that is not Alibaba's is the bucket's custom domain. */
export function addressingOf(endpoint: string, bucket: string): Addressing {
  const { hostname } = new URL(endpoint)
  if (isAddress(hostname)) return 'path'
  if (hostname.startsWith(`${bucket}.`)) return 'cname'
  return hostname.endsWith('.aliyuncs.com') ? 'virtual' : 'cname'
}

interface StoreAddresses {
  bucket: string
  region: string
  /** A kind, or a URL. */
  endpoint: string
  publicEndpoint?: string
  addressing?: Addressing
}

/** Our own calls may take another endpoint than clients. */
export function addressesOf(store: StoreAddresses) {
  const { bucket, region, endpoint, publicEndpoint, addressing } = store
  const address = (kindOrUrl: string): BucketAddress => {
    const kind = ENDPOINT_KINDS.find((name) => name === kindOrUrl)
    const url = kind ? endpointFor(kind, region) : kindOrUrl
    return { url, addressing: addressing ?? addressingOf(url, bucket) }
  }
  const own = address(endpoint)
  const forClients = publicEndpoint ?? (isInternal(own.url) ? 'public' : endpoint)
  return { endpoint: own, publicEndpoint: address(forClients) }
}
