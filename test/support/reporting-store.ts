// Reports uploads as a store does, with whatever body a test wants: signed with the embedded store's own key, as any
// customer of OSS can have OSS sign what he likes.
import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import type { Harness } from './harness.ts'

const KEY_URL = Buffer.from('http://gosspublic.alicdn.com/callback_pub_key_v1.pem').toString(
  'base64',
)
const OWN_PATH = '/v1/callbacks/default'

export interface ReportOptions {
  /** Where it arrives, with its query. */
  target?: string
  /** Path, decoded, and query as the store called them: what is signed before the body. */
  signedTarget?: string
  contentType?: string
  /** Instead of the right signature. */
  signature?: string
}

export async function reportingStore(harness: Harness) {
  const pem = await readFile(join(harness.directory, 'callback-key.pem'))
  const key: KeyObject = createPrivateKey(pem)
  const database = postgres(harness.databaseUrl, { max: 1, onnotice: () => {} })

  const signatureOf = (target: string, body: string): string =>
    sign('md5', Buffer.from(`${target}\n${body}`), key).toString('base64')

  return {
    signatureOf,

    /** What the store says of a session whose object it has made. */
    bodyOf: (created: Record<string, any>, changes: Record<string, unknown> = {}) => ({
      bucket: 'bucket',
      object: created.key,
      size: created.plan.sizeBytes,
      etag: 'E',
      crc64: '1',
      reqId: crypto.randomUUID(),
      token: created.completionToken,
      ...changes,
    }),

    report(body: Record<string, unknown> | string, options: ReportOptions = {}) {
      const { target = OWN_PATH, signedTarget = target, contentType = 'application/json' } = options
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      return harness.call('POST', target, undefined, text, {
        'content-type': contentType,
        authorization: options.signature ?? signatureOf(signedTarget, text),
        'x-oss-pub-key-url': KEY_URL,
      })
    },

    /** The inbox of a session: outcomes, null for what is not worked on yet. */
    inbox: async ({ id }: Record<string, any>): Promise<Array<string | null>> => {
      const rows = await database`
        select outcome from callbacks where upload_id = ${id} order by received_at`
      return rows.map(({ outcome }) => outcome as string | null)
    },

    /** Rows of all inboxes. */
    rowCount: async (): Promise<number> => {
      const [row] = await database`select count(*)::int as rows from callbacks`
      return row!.rows as number
    },

    close: () => database.end(),
  }
}

export type ReportingStore = Awaited<ReturnType<typeof reportingStore>>
