// What the routes of a session answer: tokens, signed parts and the session as its holder may see it.
import { lastPartNumber } from '../core/part-plan.ts'
import type { Credential, Principal } from '../core/principal.ts'
import { type Holder, holderOf } from '../core/reach.ts'
import { openToken } from '../core/token.ts'
import type { UploadSession } from '../core/upload-session.ts'
import { signUploadForm } from '../uploads/form.ts'
import { presignParts, type SignedParts } from '../uploads/parts.ts'
import type { UploadStatus } from '../uploads/status.ts'
import { mintTokens } from '../uploads/tokens.ts'
import type { Request } from './environment.ts'
import { sessionView } from './session-view.ts'

/** Parts that come signed with a new session; more are asked for when they are needed. */
export const FIRST_WINDOW = 20

/** Origins that the tokens have to name: none where the App allows any. */
export const originsFor = (allowed: string[] | undefined) =>
  !allowed || allowed.includes('*') ? undefined : allowed

export const presentParts = ({ parts, expiresAt }: SignedParts) => ({
  parts: parts.map(({ partNumber, method, url, headers, sizeBytes }) => ({
    partNumber,
    method,
    url,
    headers,
    sizeBytes,
  })),
  expiresAt: expiresAt.toISOString(),
})

/** Numbers of the first window out of what is missing. A plan of unknown size ends open. */
function firstNumbers(session: UploadSession, missing: UploadStatus['missing']): number[] {
  const end = lastPartNumber(session.plan)
  const numbers: number[] = []
  for (const [from, to] of missing) {
    for (let number = from; number <= (to ?? end) && numbers.length < FIRST_WINDOW; number++) {
      numbers.push(number)
    }
  }
  return numbers
}

async function presentForm(c: Request, session: UploadSession, holder: Holder) {
  const signed = await signUploadForm(c.get('services'), session, holder)
  return signed && { ...signed, expiresAt: signed.expiresAt.toISOString() }
}

export async function presentCreated(
  c: Request,
  principal: Principal,
  { session, missing }: Pick<UploadStatus, 'session' | 'missing'>,
  allowedOrigins: string[],
) {
  const services = c.get('services')
  const holder = holderOf(principal)
  const tokens = await mintTokens(services, session, holder, originsFor(allowedOrigins))
  const form = await presentForm(c, session, holder)
  const hasParts = session.state === 'open' && session.method !== 'form'
  const partNumbers = hasParts ? firstNumbers(session, missing) : []
  const token = await openToken(services.tokenKeys, 'upload', tokens.uploadToken)
  const window =
    partNumbers.length && token
      ? presentParts(presignParts(services, token, { partNumbers }))
      : undefined
  return {
    ...sessionView(session),
    parts: window?.parts ?? [],
    partsExpireAt: window?.expiresAt,
    form,
    ...tokens,
    serverTime: services.clock().toISOString(),
  }
}

export async function presentStatus(c: Request, credential: Credential, status: UploadStatus) {
  const services = c.get('services')
  const { session, storedParts, missing, parts, nextPart, healed } = status
  const holder = holderOf(credential)
  const origins =
    credential.kind === 'upload'
      ? credential.token.origins
      : originsFor((await services.apps.findApp(session.appId))?.allowedOrigins)
  return {
    ...sessionView(session),
    storedParts,
    missing,
    parts: parts?.map(({ partNumber, sizeBytes, etag, checksums }) => ({
      partNumber,
      sizeBytes,
      etag,
      crc64: checksums.crc64,
    })),
    nextCursor: nextPart?.toString(),
    healed: healed || undefined,
    form: holder.isOwner ? await presentForm(c, session, holder) : undefined,
    ...(await mintTokens(services, session, holder, origins)),
    serverTime: services.clock().toISOString(),
  }
}
