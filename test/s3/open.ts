// Our S3 dialect on one of the real servers, as an operator configures it.
import { randomUUID } from 'node:crypto'
import { MiB } from '../../src/core/part-plan.ts'
import type { ObjectStore } from '../../src/core/ports/object-store.ts'
import { openStore } from '../../src/storage/open.ts'
import { schemaOf } from '../../src/storage/settings.ts'
import { CEPH_MIN_PART_BYTES } from './ceph.ts'
import type { S3Server } from './server.ts'

const TIMEOUT_MS = 10_000

const PRODUCTS = { ceph: 'ceph', versitygw: 'generic' } as const
export const MIN_PART_BYTES = { ceph: CEPH_MIN_PART_BYTES, versitygw: 5 * MiB } as const

/** The settings of the store `default` on the server, in the product's row. */
export const settingsOf = (server: S3Server) => ({
  dialect: 's3' as const,
  name: 'default',
  product: PRODUCTS[server.name],
  endpoint: server.endpoint,
  region: server.region,
  bucket: server.bucket,
  accessKeyId: server.accessKeyId,
  secretAccessKey: server.secretAccessKey,
  bindLength: true,
})

/** The store, with the smallest part that this server was told to take. */
export function openOn(server: S3Server): ObjectStore {
  const world = { clock: () => new Date(), fetch, timeoutMs: TIMEOUT_MS, newNonce: randomUUID }
  const store = openStore(schemaOf('s3')!.parse(settingsOf(server)), world)
  return { ...store, limits: { ...store.limits, minPartSizeBytes: MIN_PART_BYTES[server.name] } }
}
