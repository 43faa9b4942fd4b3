// Opens a store of the S3 dialect from its settings.
import type { ObjectStore } from '../../core/ports/object-store.ts'
import type { StoreWorld } from '../rest/store.ts'
import type { StoreConfig } from '../settings.ts'
import { addressesOf, signingRegion } from './endpoint.ts'
import { s3 } from './index.ts'

type Settings = Extract<StoreConfig, { dialect: 's3' }>

export function openS3(settings: Settings, { clock, fetch, timeoutMs }: StoreWorld): ObjectStore {
  const { credentialsExpireAt } = settings
  return s3({
    ...settings,
    ...addressesOf(settings),
    clock,
    fetch,
    timeoutMs,
    // The settings refuse a store without a region.
    region: signingRegion(settings)!,
    credentials: settings,
    credentialsExpireAt: credentialsExpireAt ? new Date(credentialsExpireAt) : undefined,
  })
}
