// Opens the sources of a store: a row per source.
import type { NotificationSource } from '../../core/ports/notifications.ts'
import { ceph } from './ceph.ts'
import { type CertificatesOptions, certificates } from './certificates.ts'
import { eventbridge } from './eventbridge.ts'
import { generic } from './generic.ts'
import { minio } from './minio.ts'
import { mns } from './mns.ts'
import { r2 } from './r2.ts'
import type { NotificationSettings, SourceName, SourceSettings } from './settings.ts'
import { sns } from './sns.ts'
import type { SourceWorld } from './world.ts'

const SOURCES: {
  [Name in SourceName]: (settings: SourceSettings<Name>, world: SourceWorld) => NotificationSource
} = { generic, minio, ceph, sns, eventbridge, mns, r2 }

/** Certificates are cached for all of them. Lives as long as the process or isolate. */
export function openSources(options: CertificatesOptions) {
  const world: SourceWorld = { ...options, verify: certificates(options) }
  return (settings: NotificationSettings = []): NotificationSource[] =>
    settings.map((one) => {
      const open = SOURCES[one.source] as (
        settings: typeof one,
        world: SourceWorld,
      ) => NotificationSource
      return open(one, world)
    })
}
