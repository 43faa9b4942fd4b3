// The webhook target of MinIO, proved by its Authorization token.
import { equalInConstantTime } from '../../bytes/encoding.ts'
import type { NotificationSource } from '../../core/ports/notifications.ts'
import { parseJson } from './read.ts'
import { FORM_ENCODED, readRecords } from './records.ts'
import type { SourceSettings } from './settings.ts'

/** MinIO sends a token of one word as a bearer token, and one of two words as it is (its webhook target's source). */
export const minio = ({ token }: SourceSettings<'minio'>): NotificationSource => {
  const expected = token.includes(' ') ? token : `Bearer ${token}`
  return {
    name: 'minio',
    async receive({ headers, body }) {
      if (!equalInConstantTime(headers.get('authorization') ?? '', expected)) return undefined
      return readRecords(parseJson(body), FORM_ENCODED)
    },
  }
}
