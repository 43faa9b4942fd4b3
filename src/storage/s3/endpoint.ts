// Endpoints of the S3 family: the hosts that a product has, and where each has the bucket's name.
import type { Addressing, BucketAddress } from '../rest/address.ts'
import { productOf, type S3ProductName } from './products.ts'

interface StoreAddresses {
  product: S3ProductName
  bucket: string
  region?: string
  endpoint?: string
  publicEndpoint?: string
  addressing?: Addressing
}

const isAddress = (hostname: string): boolean =>
  hostname === 'localhost' || hostname.startsWith('[') || /^\d+(\.\d+){3}$/.test(hostname)

/** A certificate for all buckets of a host covers no name with a dot, so such a bucket goes into the path. */
function addressingOf({ product, bucket, addressing }: StoreAddresses, url: string): Addressing {
  if (addressing) return addressing
  const { hostname } = new URL(url)
  return isAddress(hostname) || bucket.includes('.') ? 'path' : productOf(product).addressing
}

/** Undefined if neither the settings nor the product have one. */
export const signingRegion = ({ product, region }: Pick<StoreAddresses, 'product' | 'region'>) =>
  region ?? productOf(product).region

/** The endpoint that the settings give, or the product's own. Undefined if there is none. */
export function endpointOf(store: StoreAddresses): string | undefined {
  const region = signingRegion(store)
  if (store.endpoint || !region) return store.endpoint
  return productOf(store.product).endpoint?.(region)
}

/** Our own calls may take another endpoint than clients. Throws if there is no endpoint, which the settings refuse. */
export function addressesOf(store: StoreAddresses) {
  const own = endpointOf(store)
  if (!own) throw new TypeError('an S3 store needs an endpoint')
  const address = (url: string): BucketAddress => ({ url, addressing: addressingOf(store, url) })
  return { endpoint: address(own), publicEndpoint: address(store.publicEndpoint ?? own) }
}
