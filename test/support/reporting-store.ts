// Reports uploads as a store does, with any body that a test chooses, signed with the embedded store's own key. Any customer
// of OSS can make OSS sign a body of their choice.
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
  /** Path and query that it is sent to. */
  target?: string
  /** Decoded path, and query, as the store signs them before the body. */
  signedTarget?: string
  contentType?: string
  /** Replaces the right signature. */
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

    /** The report of a session whose object the store has made. */
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

    /** Outcomes of a session's inbox rows; null for a row that is not processed yet. */
    inbox: async ({ id }: Record<string, any>): Promise<Array<string | null>> => {
      const rows = await database`
        select outcome from callbacks where upload_id = ${id} order by received_at`
      return rows.map(({ outcome }) => outcome as string | null)
    },

    /** How many rows all inboxes have. */
    rowCount: async (): Promise<number> => {
      const [row] = await database`select count(*)::int as rows from callbacks`
      return row!.rows as number
    },

    close: () => database.end(),
  }
}

export type ReportingStore = Awaited<ReturnType<typeof reportingStore>>
