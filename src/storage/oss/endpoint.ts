// Endpoints of OSS: their forms for a region, how each names the bucket, and which may be handed to clients.
// Source: Alibaba Cloud OSS, "Regions and endpoints", "Access OSS over custom domain names".

export const ENDPOINT_KINDS = [
  'public',
  'internal',
  'dual-stack',
  'accelerate',
  'accelerate-overseas',
] as const
export type EndpointKind = (typeof ENDPOINT_KINDS)[number]

/** Where the bucket's name stands: in the host, in the path, or nowhere since the host is the bucket's own. */
export type Addressing = 'virtual' | 'path' | 'cname'

/** The id that signatures name: `cn-hangzhou`, also where `oss-cn-hangzhou` was written. */
export const signingRegion = (region: string): string => region.replace(/^oss-/, '')

const HOSTS: Record<EndpointKind, (region: string) => string> = {
  public: (region) => `oss-${region}.aliyuncs.com`,
  internal: (region) => `oss-${region}-internal.aliyuncs.com`,
  'dual-stack': (region) => `${region}.oss.aliyuncs.com`,
  // Signed with the bucket's own region all the same.
  accelerate: () => 'oss-accelerate.aliyuncs.com',
  'accelerate-overseas': () => 'oss-accelerate-overseas.aliyuncs.com',
}

export const endpointFor = (kind: EndpointKind, region: string): string =>
  `https://${HOSTS[kind](signingRegion(region))}`

/** True for hosts that only Alibaba's own network reaches: never in a URL for a client. */
export const isInternal = (endpoint: string): boolean =>
  /-internal\.aliyuncs\.com$/i.test(new URL(endpoint).hostname)

const isAddress = (hostname: string): boolean =>
  hostname === 'localhost' || hostname.startsWith('[') || /^\d+(\.\d+){3}$/.test(hostname)

/** How this host names the bucket, as its form tells: any but Alibaba's own is the bucket's custom domain. */
export function addressingOf(endpoint: string, bucket: string): Addressing {
  const { hostname } = new URL(endpoint)
  if (isAddress(hostname)) return 'path'
  if (hostname.startsWith(`${bucket}.`)) return 'cname'
  return hostname.endsWith('.aliyuncs.com') ? 'virtual' : 'cname'
}
