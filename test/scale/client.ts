// One client and its upload, as an app's user would: it asks whichever process answers, and asks again when one died.
import { setTimeout as pause } from 'node:timers/promises'
import { putPart, someBytes } from '../support/harness.ts'
import type { Fleet } from './fleet.ts'
import { pick, type Random } from './random.ts'

export interface Tenant {
  id: string
  apiKey: string
}

/** What the client means to do with its session, and how often. */
const INTENTS = [
  ...Array<'complete'>(12).fill('complete'),
  ...Array<'complete-twice'>(3).fill('complete-twice'),
  ...Array<'direct'>(1).fill('direct'),
  ...Array<'abort'>(2).fill('abort'),
  ...Array<'leave'>(2).fill('leave'),
] as const
export type Intent = (typeof INTENTS)[number]

export interface Outcome {
  intent: Intent
  appId: string
  uploadId: string
  /** What the client was told at last; undefined where it left. */
  told: string | undefined
}

const KiB = 1024
const SMALL = someBytes(900)
const TWO_PARTS = someBytes(101 * KiB)
const PART_BYTES = 100 * KiB
/** The policy of sessions whose client leaves: they expire while the test still runs. */
export const BRIEF = 'brief'
/** A client's patience between two tries. */
const AGAIN_MS = 250

interface Answer {
  status: number
  body: Record<string, any>
}

export function clientOf(fleet: Fleet, random: Random) {
  /** Undefined where the process died under the request. */
  async function call(
    method: string,
    path: string,
    credential: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer | undefined> {
    try {
      const response = await fetch(`${fleet.any().url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${credential}`,
          'content-type': 'application/json',
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      })
      return { status: response.status, body: (await response.json()) as Answer['body'] }
    } catch {
      return undefined
    }
  }

  /** Until the answer is one to go by: not an end of the process, not "come again". */
  async function insist(...request: Parameters<typeof call>): Promise<Answer> {
    for (;;) {
      const answer = await call(...request)
      const comeAgain =
        !answer ||
        answer.status === 202 ||
        answer.status === 503 ||
        answer.body.code === 'idempotency-conflict' ||
        answer.body.code === 'upload-completing'
      if (!comeAgain) return answer
      await pause(AGAIN_MS)
    }
  }

  const complete = async ({ body }: Answer): Promise<string> => {
    const path = `/v1/uploads/${body.id}/complete`
    const done = await insist('POST', path, body.completionToken, {})
    return done.body.state ?? done.body.code
  }

  /** What the store has made is the session's end, whether or not its callback finds a process: the sweep looks. */
  async function completeDirectly({ body }: Answer): Promise<string> {
    const path = `/v1/uploads/${body.id}/complete`
    const { body: answer } = await insist('POST', path, body.completionToken, { mode: 'direct' })
    if (!answer.direct) return answer.state ?? answer.code
    const { method, url, headers } = answer.direct
    const stored = await fetch(url, { method, headers })
    const said = await stored.text()
    return stored.ok ? 'completed' : said
  }

  return async function live(tenant: Tenant, number: number): Promise<Outcome> {
    const intent = pick(random, INTENTS)
    const whole = intent.startsWith('complete') && random() < 0.8
    const bytes = whole ? SMALL : TWO_PARTS
    const request = {
      subject: `subject-${number % 20}`,
      filename: `${number}.bin`,
      sizeBytes: bytes.length,
      ...(whole ? {} : { partSizeBytes: PART_BYTES }),
      ...(intent === 'leave' ? { policy: BRIEF } : {}),
    }
    const key = { 'idempotency-key': `session-${number}` }
    const created = await insist('POST', '/v1/uploads', tenant.apiKey, request, key)
    if (created.status >= 300) throw new Error(`not created: ${JSON.stringify(created)}`)
    const outcome = { intent, appId: tenant.id, uploadId: created.body.id as string }

    if (intent === 'leave') return { ...outcome, told: undefined }
    if (intent === 'abort') {
      const { body } = await insist('DELETE', `/v1/uploads/${created.body.id}`, tenant.apiKey)
      return { ...outcome, told: body.state ?? body.code }
    }
    for (const part of created.body.parts) {
      const put = await putPart(part, bytes, whole ? bytes.length : PART_BYTES)
      if (!put.ok) throw new Error(`the store refused a part: ${await put.text()}`)
    }
    if (intent === 'direct') return { ...outcome, told: await completeDirectly(created) }
    if (intent === 'complete') return { ...outcome, told: await complete(created) }
    const [one, other] = await Promise.all([complete(created), complete(created)])
    return { ...outcome, told: one === other ? one : `${one} and ${other}` }
  }
}
