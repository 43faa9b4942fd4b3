// Opens a store of the OSS dialect from its settings, with Alibaba's APIs beside it.
import type { BucketSettings } from '../../core/ports/bucket-settings.ts'
import type { ObjectStore } from '../../core/ports/object-store.ts'
import { mps } from '../aliyun/mps.ts'
import { stsClient } from '../aliyun/sts.ts'
import type { CallerOptions } from '../rest/call.ts'
import type { StoreWorld } from '../rest/store.ts'
import type { StoreConfig } from '../settings.ts'
import { ossBucket } from './bucket.ts'
import { addressesOf, signingRegion } from './endpoint.ts'
import { oss } from './index.ts'

type Settings = Extract<StoreConfig, { dialect: 'oss' }>

export function openOss(settings: Settings, world: StoreWorld): ObjectStore {
  const { credentialsExpireAt, roleArn, bucket, stsEndpoint, mpsEndpoint } = settings
  const region = signingRegion(settings.region)
  const api = (service: 'sts' | 'mts', endpoint?: string) => ({
    endpoint: endpoint ?? `https://${service}.${region}.aliyuncs.com`,
    bucket,
    region,
    credentials: settings,
    ...world,
  })
  return oss({
    ...settings,
    ...addressesOf(settings),
    ...world,
    region,
    credentials: settings,
    credentialsExpireAt: credentialsExpireAt ? new Date(credentialsExpireAt) : undefined,
    issueCredentials: roleArn ? stsClient({ ...api('sts', stsEndpoint), roleArn }) : undefined,
    media: mps(api('mts', mpsEndpoint)),
  })
}

/** The bucket's own settings, and the URL that they are read from. */
export function openOssBucket(
  settings: Settings,
  options: CallerOptions,
): { endpoint: string; settings: BucketSettings } {
  const { bucket } = settings
  const addresses = addressesOf(settings)
  const region = signingRegion(settings.region)
  const credentials = settings
  return {
    endpoint: addresses.endpoint.url,
    settings: ossBucket({ bucket, region, ...addresses, credentials, ...options }),
  }
}
