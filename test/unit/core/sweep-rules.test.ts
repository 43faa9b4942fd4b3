// The sweep's rules at their boundaries: idle and absolute end, when to look again, over-size, auto-complete, late arrivals.
import { describe, expect, it } from 'vitest'
import {
  arrivalsUntil,
  endOf,
  firstLookAt,
  isOverSize,
  mayAutoComplete,
  nextLookAt,
  nextReleaseLookAt,
  type StoredSoFar,
} from '../../../src/core/sweep-rules.ts'
import type { UploadSession } from '../../../src/core/upload-session.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const NOW = new Date('2026-03-01T12:00:00Z')
const at = (milliseconds: number) => new Date(NOW.getTime() + milliseconds)

const aSession = (session: Partial<UploadSession> = {}): UploadSession => ({
  appId: 'app_1',
  id: 'upl_1',
  subject: 'ada',
  credential: 'api-key',
  policyName: 'default',
  policy: {},
  state: 'open',
  method: 'multipart',
  store: 'default',
  key: 'app_1/ada/upl_1/a.bin',
  filename: 'a.bin',
  contentType: 'text/plain',
  plan: { sizeBytes: 250, partSizeBytes: 100, partCount: 3 },
  reservedBytes: 250,
  generation: 1,
  createdAt: NOW,
  activeAt: NOW,
  expiresAt: at(7 * 24 * HOUR),
  attempt: 0,
  direct: false,
  revision: 1,
  ...session,
})
const stored = (sizes: number[], more: Partial<StoredSoFar> = {}): StoredSoFar => ({
  parts: sizes.map((sizeBytes, index) => ({ partNumber: index + 1, sizeBytes })),
  sizeBytes: sizes.reduce((sum, size) => sum + size, 0),
  newestAt: at(-10 * MINUTE),
  checksums: { crc64: '42' },
  ...more,
})

describe('the end of an open session', () => {
  it('is a day after its last activity, or as its policy says, and never past its absolute end', () => {
    expect(endOf(aSession(), NOW.getTime())).toBe(at(24 * HOUR).getTime())
    expect(endOf(aSession({ policy: { idleSeconds: 60 } }), NOW.getTime())).toBe(
      at(MINUTE).getTime(),
    )
    expect(endOf(aSession({ expiresAt: at(HOUR) }), NOW.getTime())).toBe(at(HOUR).getTime())
  })

  it('is when it is looked at next, unless it may complete alone or is watched', () => {
    const look = (session: Partial<UploadSession>, activity: number, isWatched = false) =>
      nextLookAt(aSession(session), { activity: at(activity).getTime(), isWatched, now: NOW })
    expect(look({}, -HOUR)).toEqual(at(23 * HOUR))
    expect(look({}, -HOUR, true)).toEqual(at(10 * MINUTE))
    // Less and less often: after as long again as nothing has arrived.
    expect(look({ policy: { autoComplete: true } }, 0)).toEqual(at(10 * MINUTE))
    expect(look({ policy: { autoComplete: true } }, -3 * HOUR)).toEqual(at(3 * HOUR))
    expect(look({ policy: { autoComplete: true } }, -23 * HOUR)).toEqual(at(HOUR))
    expect(look({ policy: { autoComplete: true, completion: 'backend' } }, -HOUR)).toEqual(
      at(23 * HOUR),
    )
    expect(look({ method: 'single' }, -HOUR)).toEqual(at(HOUR))
    expect(look({ expiresAt: at(MINUTE) }, 0, true)).toEqual(at(MINUTE))
  })

  it('never comes after the first visit', () => {
    expect(firstLookAt(aSession(), NOW)).toEqual(at(10 * MINUTE))
    expect(firstLookAt(aSession({ method: 'single' }), NOW)).toEqual(at(16 * MINUTE))
    expect(firstLookAt(aSession({ expiresAt: at(MINUTE) }), NOW)).toEqual(at(MINUTE))
  })
})

describe('too much', () => {
  it('is more than one part above the declared size', () => {
    expect(isOverSize(aSession(), stored([350]))).toBe(false)
    expect(isOverSize(aSession(), stored([351]))).toBe(true)
  })

  it('is counted from the reserved size if none was declared', () => {
    const plan = { sizeBytes: null, partSizeBytes: 100, partCount: null, maxPartCount: 10 }
    const session = aSession({ plan, reservedBytes: 1000 })
    expect(isOverSize(session, stored([1100]))).toBe(false)
    expect(isOverSize(session, stored([1101]))).toBe(true)
  })
})

describe('completing without the client', () => {
  const may = (
    session: Partial<UploadSession>,
    so: StoredSoFar = stored([100, 100, 50]),
    now = NOW,
  ) => mayAutoComplete(aSession({ policy: { autoComplete: true }, ...session }), so, now)

  it('needs a policy, and a declared checksum that matches', () => {
    expect(may({ checksum: 'crc64:42' })).toBe(true)
    expect(may({ checksum: 'crc64:042' })).toBe(true)
    expect(may({ checksum: 'crc64:43' })).toBe(false)
    expect(may({ checksum: 'crc64:42', policy: {} })).toBe(false)
    expect(may({ checksum: 'crc64:42', policy: { autoComplete: false } })).toBe(false)
    expect(may({})).toBe(false)
    expect(may({ policy: { autoComplete: 'unverified' } })).toBe(true)
  })

  it('never takes one that the store cannot compare', () => {
    const policy = { autoComplete: 'unverified' as const }
    const withoutCrc = stored([100, 100, 50], { checksums: {} })
    expect(may({ policy, checksum: 'sha256:AAAA' })).toBe(false)
    expect(may({ policy, checksum: 'crc64:42' }, withoutCrc)).toBe(false)
    expect(may({ policy }, withoutCrc)).toBe(true)
  })

  it('needs every part as planned, and ten quiet minutes', () => {
    const session = { checksum: 'crc64:42' }
    expect(may(session, stored([100, 100]))).toBe(false)
    expect(may(session, stored([100, 100, 49]))).toBe(false)
    expect(may(session, stored([100, 100, 50, 1]))).toBe(false)
    const parts = (ageMs: number) => stored([100, 100, 50], { newestAt: at(-ageMs) })
    expect(may(session, parts(10 * MINUTE - 1))).toBe(false)
    expect(may(session, parts(10 * MINUTE))).toBe(true)
  })

  it('is for multipart uploads of known size that their client completes', () => {
    const session = { checksum: 'crc64:42' }
    expect(may({ ...session, method: 'credentials' })).toBe(false)
    expect(may({ ...session, policy: { autoComplete: true, completion: 'backend' } })).toBe(false)
    const plan = { sizeBytes: null, partSizeBytes: 100, partCount: null, maxPartCount: 10 }
    expect(may({ ...session, plan })).toBe(false)
  })
})

describe('what may still arrive of an ended session', () => {
  const ended = (session: Partial<UploadSession>) =>
    aSession({ state: 'aborted', endedAt: NOW, revision: 2, ...session })
  const until = (session: Partial<UploadSession>) =>
    arrivalsUntil(ended(session)) && new Date(arrivalsUntil(ended(session)))

  it('excludes parts, because the store refuses their URLs', () => {
    expect(until({})).toBe(0)
  })

  it.each(['single', 'form'] as const)(
    'is a %s that was signed before the end, and does not outlive the session',
    (method) => {
      expect(until({ method })).toEqual(at(20 * MINUTE))
      expect(until({ method, expiresAt: at(10 * MINUTE) })).toEqual(at(15 * MINUTE))
      // Nobody ever received a URL or a token.
      expect(until({ method, revision: 1 })).toBe(0)
    },
  )

  it('includes uploads by credentials, a direct completion and an unanswered initiate', () => {
    expect(until({ method: 'credentials' })).toEqual(at(65 * MINUTE))
    expect(until({ direct: true, attemptAt: at(-16 * MINUTE) })).toEqual(at(4 * MINUTE))
    expect(until({ leftoversAt: at(-MINUTE) })).toEqual(at(14 * MINUTE))
  })

  it('has no end while the session has none', () => {
    expect(arrivalsUntil(aSession())).toBe(Number.POSITIVE_INFINITY)
  })

  it('is looked for less and less often, and a last time when nothing can arrive any more', () => {
    const session = ended({ method: 'single' })
    expect(nextReleaseLookAt(session, NOW)).toEqual(at(MINUTE))
    expect(nextReleaseLookAt(session, at(4 * MINUTE))).toEqual(at(8 * MINUTE))
    expect(nextReleaseLookAt(session, at(18 * MINUTE))).toEqual(at(20 * MINUTE))
  })
})
