// Temporary credentials for a client's own SDK: for one key, behind a session, or for a prefix.
// Such a client sets no stamp, so the session's key must hold its id: the exact key stands in for the stamp.
import { keyFault } from '../core/object-key.ts'
import type {
  CredentialScope,
  ObjectStore,
  TemporaryCredentials,
} from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import { isStoreFailure } from '../core/ports/store-failure.ts'
import type { GrantPrincipal, Principal } from '../core/principal.ts'
import { invalidField, Problem } from '../core/problem.ts'
import { CREDENTIAL_SECONDS } from '../core/sweep-rules.ts'
import type { UploadSession } from '../core/upload-session.ts'
import {
  applyPolicy,
  type CreateInput,
  DEFAULT_CONTENT_TYPE,
  decide,
  grantExpired,
} from './decide.ts'
import { currentSession } from './ending/end.ts'
import { findUpload } from './find.ts'
import { handOut, type SessionTokens } from './hand-out.ts'
import { failReservation, newUpload, openSession, reserve } from './new-upload.ts'
import { notOpen, refusal, requireOpen } from './problems.ts'

/** What is asked for: exactly one of `filename`, `uploadId` and `prefix`. */
export interface CredentialsInput
  extends Pick<CreateInput, 'sizeBytes' | 'contentType' | 'policy' | 'subject'> {
  /** Begins a session. */
  filename?: string
  /** Renews those of a session. */
  uploadId?: string
  /** For everything below a folder of the App. */
  prefix?: string
}

export interface Issued extends TemporaryCredentials {
  session?: UploadSession
  scope: CredentialScope
  store: ObjectStore
}

export interface IssuedToPrincipal extends Issued {
  /** Of the session, if there is one. */
  tokens?: SessionTokens
}

const notOffered = (detail: string) => new Problem('forbidden', { detail })

/** In a session policy `*` and `?` match other keys, and RAM may read `${` as a variable. */
const widens = (text: string) => /[*?]|\$\{/.test(text)

/** RoleSessionName: 2 to 64 characters. An id has fewer. */
const sessionName = (id: string) => id.slice(-64)

type CanIssue = ObjectStore & Required<Pick<ObjectStore, 'issueCredentials'>>

function checkIssuer(store: ObjectStore): asserts store is CanIssue {
  if (store.issueCredentials) return
  throw notOffered('This store issues no temporary credentials: its operator sets STORE_ROLE_ARN.')
}

/** `field` is the one that the caller can shorten. */
async function issue(store: CanIssue, scope: CredentialScope, id: string, field: string) {
  try {
    return await store.issueCredentials(scope, sessionName(id), CREDENTIAL_SECONDS)
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    if (failure.code !== 'PolicyTooLong') throw refusal(failure)
    throw invalidField(field, 'makes a key that is too long for a session policy')
  }
}

/** Issues credentials to a principal, with the tokens of the session if there is one. */
export async function issueCredentials(
  services: Services,
  principal: Principal,
  { prefix, uploadId, filename, ...input }: CredentialsInput,
): Promise<IssuedToPrincipal> {
  if (uploadId !== undefined) {
    const session = await findUpload(services, principal, uploadId)
    const issued = await renew(services, session)
    return { ...issued, tokens: (await handOut(services, principal, session)).tokens }
  }
  return filename === undefined
    ? issueForPrefix(services, principal, prefix!, input.policy)
    : create(services, principal, { ...input, filename, method: 'credentials' })
}

/** Creates a session with `method: credentials`, and issues credentials for its key. */
async function create(
  services: Services,
  principal: Principal,
  input: CreateInput,
): Promise<IssuedToPrincipal> {
  const decision = await decide(services, principal, input)
  const { policy, store, app } = decision
  if (policy.credentials !== true) {
    throw notOffered('The policy does not offer credentials: create an upload instead.')
  }
  checkIssuer(store)
  const upload = await newUpload(services, decision)
  if (!upload.key.includes(upload.id)) {
    throw notOffered('For credentials the policy’s keyTemplate must contain {uploadId}.')
  }
  if (widens(upload.key)) throw invalidField('/filename', 'must not make a key with *, ? or ${')
  const { session: reserved } = await reserve(services, upload)
  const scope = { key: reserved.key }
  // The client gets them only once the session is open, so a failure here leaves nothing that could still write.
  const issued = await issue(store, scope, reserved.id, '/filename').catch(async (problem) => {
    if (problem instanceof Problem) await failReservation(services, reserved, problem)
    throw problem
  })
  const session = await openSession(services, reserved)
  if (!session) throw notOpen(await currentSession(services, reserved), services.clock())
  const { tokens } = await handOut(services, principal, session, app)
  return { ...issued, session, scope, store, tokens }
}

/** Issues fresh credentials for a session that was begun with some. */
async function renew(
  { storeNamed, clock }: Pick<Services, 'storeNamed' | 'clock'>,
  session: UploadSession,
): Promise<Issued> {
  if (session.method !== 'credentials') {
    throw notOffered('This upload goes by signed URLs: ask for its parts.')
  }
  requireOpen(session, clock())
  const store = storeNamed(session.store)
  checkIssuer(store)
  const scope = { key: session.key }
  return { ...(await issue(store, scope, session.id, '/uploadId')), session, scope, store }
}

/** Issues credentials to the App's own backend for everything below one folder of the App. No session stands behind them. */
async function issueForPrefix(
  services: Services,
  principal: Principal,
  prefix: string,
  policyName: string | undefined,
): Promise<IssuedToPrincipal> {
  if (principal.kind !== 'api-key') {
    throw notOffered('Only an api key gets credentials for a prefix.')
  }
  const folder = prefix.replace(/\/+$/, '')
  const fault = widens(folder) ? 'must not have *, ? or ${' : keyFault(folder)
  if (fault) throw invalidField('/prefix', fault)
  const { app, policy, store } = await applyPolicy(services, principal, policyName, {
    sizeBytes: 0,
    contentType: DEFAULT_CONTENT_TYPE,
  })
  if (policy.credentials !== true) throw notOffered('The policy does not offer credentials.')
  checkIssuer(store)
  const scope = { prefix: `${app.keyPrefix}/${folder}/` }
  return { ...(await issue(store, scope, app.id, '/prefix')), scope, store }
}

/** Issues fresh credentials for the newest unfinished session of a grant, as often as a mobile SDK asks. */
export async function issueForGrant(
  services: Pick<Services, 'uploads' | 'storeNamed' | 'clock'>,
  principal: GrantPrincipal,
): Promise<Issued> {
  const { uploads, clock } = services
  const { appId, subject, grant, expired } = principal
  // Only its own sessions: the SDK has one key and cannot learn of another.
  const filter = { subject, reach: { grantId: grant.grant }, state: 'open' as const, limit: 1 }
  const [newest] = await uploads.list(appId, filter)
  const session = newest && (await uploads.touch(appId, newest.id, clock()))
  if (!session && expired) throw grantExpired()
  if (!session) {
    throw new Problem('upload-not-found', {
      detail: 'This grant has no open upload: begin one with POST /v1/credentials.',
    })
  }
  return renew(services, session)
}
