// Any sender that posts `{"key": …}` with a secret of ours in a header: S3 EventBridge, Pub/Sub, Event Grid or an own script.
import { digestHex, equalInConstantTime } from '../../bytes/encoding.ts'
import type { NotificationSource } from '../../core/ports/notifications.ts'
import { hintOf, listIn, member, parseJson, present, textIn } from './read.ts'
import type { SourceSettings } from './settings.ts'

/** The header for senders that cannot set `Authorization`. */
const SECRET_HEADER = 'x-countersign-secret'

/** The body is one `{key, id?, bucket?, unfinished?}`, or a list of them. The key is not encoded. */
export const generic = ({ secret }: SourceSettings<'generic'>): NotificationSource => ({
  name: 'generic',
  async receive({ headers, body }) {
    const given = headers.get(SECRET_HEADER) ?? headers.get('authorization') ?? ''
    if (!equalInConstantTime(given.replace(/^Bearer /i, ''), secret)) return undefined
    const parsed = parseJson(body)
    const events = Array.isArray(parsed) ? listIn({ parsed }, 'parsed') : [parsed]
    const hints = events.map(async (event) =>
      hintOf({
        // Without an id, equal events count as one.
        id: textIn(event, 'id') || (await digestHex(JSON.stringify(event ?? null))),
        keys: [textIn(event, 'key')],
        bucket: textIn(event, 'bucket'),
        kind: member(event, 'unfinished') === true ? 'unfinished' : 'completed',
      }),
    )
    return present(await Promise.all(hints))
  },
})
