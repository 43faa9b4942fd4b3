// Tokens: grant, upload token and completion token, each a JWS with its own `typ` and its own key.
// Keys and time are arguments. RFC 7515 (JWS) with HS256 only, RFC 5869 (HKDF).
import { CompactSign, compactVerify } from 'jose'
import { fromUtf8, utf8 } from '../bytes/encoding.ts'
import type { PartPlan } from './part-plan.ts'
import type { ObjectSpec } from './stored.ts'
import type { UploadMethod } from './upload-session.ts'

export const TOKEN_TYPES = {
  grant: 'countersign-grant+jws',
  upload: 'countersign-upload+jws',
  completion: 'countersign-completion+jws',
} as const
export type TokenKind = keyof typeof TOKEN_TYPES

const UPLOAD_TOKEN_SECONDS = 3600
/** No store can revoke a single PUT, so its URL and the token that signs it are short-lived. */
const SINGLE_TOKEN_SECONDS = 15 * 60

/** The longest life of an upload token. */
export const uploadTokenSeconds = (method: UploadMethod): number =>
  method === 'single' ? SINGLE_TOKEN_SECONDS : UPLOAD_TOKEN_SECONDS

/** Keys of one kind. The first signs; all verify. */
export type KeyRing = ReadonlyArray<{ kid: string; secret: Uint8Array }>
export type TokenKeys = Readonly<Record<TokenKind, KeyRing>>

interface Claims {
  app: string
  /** Seconds since the epoch. */
  exp: number
}

export interface GrantToken extends Claims {
  grant: string
  subject: string
  policy: string
  use: 'api' | 'uppy' | 'credentials'
  completion?: 'client' | 'backend'
  /** Limits it to the sessions that it created, for apps whose users share a subject. */
  reach?: 'own'
  maxUploads?: number
  maxBytes?: number
}

export interface CompletionToken extends Claims {
  upload: string
  /** The grant that got it. */
  grant?: string
  origins?: string[]
}

export interface UploadToken extends CompletionToken {
  method: UploadMethod
  store: string
  key: string
  /** The storage upload id; absent for a single PUT. */
  storage?: string
  generation: number
  plan: PartPlan
  /** The session's end in seconds since the epoch. No URL outlives it. */
  end: number
  urlSeconds: number
  readBack?: boolean
  /** The object of a single PUT, whose headers are signed. */
  object?: ObjectSpec
}

/** The claims of each kind. */
export interface ClaimsOf {
  grant: GrantToken
  upload: UploadToken
  completion: CompletionToken
}

/** Derives the key of one use from a master key: HKDF-SHA256 with the label as info. */
export async function deriveKey(
  master: Uint8Array<ArrayBuffer>,
  label: string,
): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey('raw', master, 'HKDF', false, ['deriveBits'])
  const bits = await crypto.subtle.deriveBits(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: utf8(`countersign:${label}`) },
    key,
    256,
  )
  return new Uint8Array(bits)
}

export async function deriveTokenKeys(
  masters: ReadonlyArray<{ kid: string; secret: Uint8Array<ArrayBuffer> }>,
): Promise<TokenKeys> {
  const ring = (kind: TokenKind) =>
    Promise.all(
      masters.map(async ({ kid, secret }) => ({ kid, secret: await deriveKey(secret, kind) })),
    )
  const [grant, upload, completion] = await Promise.all([
    ring('grant'),
    ring('upload'),
    ring('completion'),
  ])
  return { grant, upload, completion }
}

export async function mintToken<Kind extends TokenKind>(
  keys: TokenKeys,
  kind: Kind,
  claims: ClaimsOf[Kind],
): Promise<string> {
  const { kid, secret } = keys[kind][0]!
  return new CompactSign(utf8(JSON.stringify(claims)))
    .setProtectedHeader({ alg: 'HS256', typ: TOKEN_TYPES[kind], kid })
    .sign(secret)
}

/** Undefined if signature, algorithm, type or key is wrong. Callers check the expiry with `isExpired`. */
export async function openToken<Kind extends TokenKind>(
  keys: TokenKeys,
  kind: Kind,
  token: string,
): Promise<ClaimsOf[Kind] | undefined> {
  try {
    const { payload, protectedHeader } = await compactVerify(
      token,
      ({ kid }) => {
        const key = keys[kind].find((candidate) => candidate.kid === kid)
        if (!key) throw new Error('unknown key')
        return key.secret
      },
      { algorithms: ['HS256'] },
    )
    if (protectedHeader.typ !== TOKEN_TYPES[kind]) return undefined
    return JSON.parse(fromUtf8(payload)) as ClaimsOf[Kind] // we minted it: the signature proves its shape
  } catch {
    return undefined
  }
}

export const isExpired = ({ exp }: Claims, now: Date): boolean => exp * 1000 <= now.getTime()

const segment = (token: string, index: number): Record<string, unknown> =>
  JSON.parse(atob(token.split('.')[index]!.replaceAll('-', '+').replaceAll('_', '/')))

/** The kind of token that this text claims to be. Nothing is verified yet. */
export function claimedKind(token: string): TokenKind | undefined {
  try {
    const { typ } = segment(token, 0)
    return (Object.keys(TOKEN_TYPES) as TokenKind[]).find((kind) => TOKEN_TYPES[kind] === typ)
  } catch {
    return undefined
  }
}

/** Replaces a grant in a log by its unverified id, or by `{grant}` if it has none. */
export function grantForLog(token: string): string {
  try {
    const { grant } = segment(token, 1)
    return typeof grant === 'string' && /^grt_[0-9a-f]{32}$/.test(grant) ? grant : '{grant}'
  } catch {
    return '{grant}'
  }
}
