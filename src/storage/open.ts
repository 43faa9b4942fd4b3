// Opens stores: a row per dialect.
import type { BucketSettings } from '../core/ports/bucket-settings.ts'
import type { ObjectStore } from '../core/ports/object-store.ts'
import { openOss, openOssBucket } from './oss/open.ts'
import type { CallerOptions } from './rest/call.ts'
import type { StoreWorld } from './rest/store.ts'
import { openS3 } from './s3/open.ts'
import type { StoreConfig } from './settings.ts'

export const openStore = (config: StoreConfig, world: StoreWorld): ObjectStore => {
  switch (config.dialect) {
    case 'oss':
      return openOss(config, world)
    case 's3':
      return openS3(config, world)
  }
}

/** For `countersign bucket`, which reads and writes the settings of a bucket. Undefined where it cannot yet. */
export const openBucket = (
  config: StoreConfig,
  options: CallerOptions,
): { endpoint: string; settings: BucketSettings } | undefined =>
  config.dialect === 'oss' ? openOssBucket(config, options) : undefined
