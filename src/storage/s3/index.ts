// The S3 dialect of ObjectStore: the common store with the limits and features of a product. The family has no completion that a
// client sends and the store reports, so there is no callback to verify.
import type { ObjectStore } from '../../core/ports/object-store.ts'
import { type RestStoreOptions, restStore } from '../rest/store.ts'
import { s3Dialect } from './dialect.ts'
import { productOf, type S3ProductName } from './products.ts'
import { type S3SignerOptions, s3Signer } from './sign.ts'

export interface S3Options extends S3SignerOptions, Omit<RestStoreOptions, keyof S3SignerOptions> {
  product: S3ProductName
}

export function s3(options: S3Options): ObjectStore {
  const product = productOf(options.product)
  // Whichever ends first aborts an unfinished upload: the product, or the bucket's own rule.
  const days = [product.cleanupDays, options.cleanupDays].filter((count) => count !== undefined)
  const cleanupDays = days.length ? Math.min(...days) : undefined
  return {
    ...restStore(s3Dialect(product), s3Signer(options), { ...options, cleanupDays }),
    verifyCallback: () => undefined,
    readCallback: () => undefined,
  }
}
