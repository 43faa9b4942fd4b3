// Opens stores: a row per dialect.
import type { ObjectStore } from '../core/ports/object-store.ts'
import { openOss, openOssBucket } from './oss/open.ts'
import type { CallerOptions } from './rest/call.ts'
import type { StoreWorld } from './rest/store.ts'
import type { StoreConfig } from './settings.ts'

const DIALECTS = {
  oss: { store: openOss, bucket: openOssBucket },
}

export const openStore = (config: StoreConfig, world: StoreWorld): ObjectStore =>
  DIALECTS[config.dialect].store(config, world)

/** For `countersign bucket`, which reads and writes the settings of a bucket. */
export const openBucket = (config: StoreConfig, options: CallerOptions) =>
  DIALECTS[config.dialect].bucket(config, options)
