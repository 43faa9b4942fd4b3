// HTTP notifications of Ceph RGW. They are not signed: a secret in the topic's opaque data or in its URL proves them.
import { equalInConstantTime } from '../../bytes/encoding.ts'
import type { NotificationSource } from '../../core/ports/notifications.ts'
import { listIn, parseJson, textIn } from './read.ts'
import { RAW_OR_FORM_ENCODED, readRecords } from './records.ts'
import type { SourceSettings } from './settings.ts'

/** Every record must carry the secret, because a request is believed as a whole. */
export const ceph = ({ secret }: SourceSettings<'ceph'>): NotificationSource => ({
  name: 'ceph',
  async receive({ rawQuery, body }) {
    const parsed = parseJson(body)
    const records = listIn(parsed, 'Records')
    const inUrl = new URLSearchParams(rawQuery).get('secret') ?? ''
    const inRecords = records.map((record) => textIn(record, 'opaqueData') ?? '')
    const isProved =
      equalInConstantTime(inUrl, secret) ||
      (records.length > 0 && inRecords.every((given) => equalInConstantTime(given, secret)))
    return isProved ? readRecords(parsed, RAW_OR_FORM_ENCODED) : undefined
  },
})
