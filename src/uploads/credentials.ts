// Authorised upload by the client's own SDK: temporary credentials for one key, behind a session, or for a prefix.
// Such a client sets no stamp, so the session's key has to hold its id: the exact key stands in for the stamp.
import { uploadEvent } from '../core/event.ts'
import { keyFault } from '../core/object-key.ts'
import type {
  CredentialScope,
  ObjectStore,
  TemporaryCredentials,
} from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import { isStoreFailure } from '../core/ports/store-failure.ts'
import { checkUse, type GrantPrincipal, type Principal } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { grantOf, noSuchUpload, reaches } from '../core/reach.ts'
import { CREDENTIAL_SECONDS } from '../core/sweep-rules.ts'
import type { UploadSession } from '../core/upload-session.ts'
import { type CreateServices, failReservation, newUpload, reserve } from './create.ts'
import { type CreateInput, checkUnexpired, decide, grantExpired, subjectOf } from './decide.ts'
import { invalid, notOpen, refusal, uploadExpired } from './problems.ts'

export interface Issued extends TemporaryCredentials {
  session?: UploadSession
  scope: CredentialScope
  store: ObjectStore
  /** Of the App; absent where no token is minted for the session. */
  allowedOrigins?: string[]
}

const notOffered = (detail: string) => new Problem('forbidden', { detail })

/** `*` and `?` would widen the session policy beyond the one key, `${` could be read as a variable of RAM's. */
const widens = (text: string) => /[*?]|\$\{/.test(text)

/** RoleSessionName: 2 to 32 characters. An id without its kind has exactly 32. */
const sessionName = (id: string) => id.slice(id.indexOf('_') + 1).slice(-32)

type CanIssue = ObjectStore & Required<Pick<ObjectStore, 'issueCredentials'>>

function checkIssuer(store: ObjectStore): asserts store is CanIssue {
  if (store.issueCredentials) return
  throw notOffered('This store issues no temporary credentials: its operator sets STORE_ROLE_ARN.')
}

/** `field` is what the caller can shorten. */
async function issue(store: CanIssue, scope: CredentialScope, id: string, field: string) {
  try {
    return await store.issueCredentials(scope, sessionName(id), CREDENTIAL_SECONDS)
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    if (failure.code !== 'PolicyTooLong') throw refusal(failure)
    throw invalid(field, 'makes a key that is too long for a session policy')
  }
}

/** A session with `method: credentials`, and credentials for its key. */
export async function createWithCredentials(
  services: CreateServices,
  principal: Principal,
  input: CreateInput,
): Promise<Issued> {
  checkUnexpired(principal)
  subjectOf(principal, input)
  const decision = await decide(services, principal, input)
  const { policy, store, app } = decision
  if (policy.credentials !== true) {
    throw notOffered('The policy does not offer credentials: create an upload instead.')
  }
  checkIssuer(store)
  const upload = await newUpload(services, principal, input, decision, {
    method: 'credentials',
  })
  if (!upload.key.includes(upload.id)) {
    throw notOffered('For credentials the policy’s keyTemplate must contain {uploadId}.')
  }
  if (widens(upload.key)) throw invalid('/filename', 'must not make a key with *, ? or ${')
  const { session: reserved } = await reserve(services, upload)
  const scope = { key: reserved.key }
  // Nobody has them before the session is open, so a failure here leaves nothing that could still arrive.
  const issued = await issue(store, scope, reserved.id, '/filename').catch(async (problem) => {
    if (problem instanceof Problem) await failReservation(services, reserved, problem)
    throw problem
  })
  const session = await open(services, reserved)
  return { ...issued, session, scope, store, allowedOrigins: app.allowedOrigins }
}

async function open(services: CreateServices, reserved: UploadSession): Promise<UploadSession> {
  const { uploads, clock, newId, nudgeDeliveries } = services
  const now = clock()
  const event = uploadEvent('upload.created', newId('evt'), now, { ...reserved, state: 'open' })
  const opened = await uploads.open(reserved, undefined, event, now)
  if (!opened) throw notOpen((await uploads.find(reserved.appId, reserved.id)) ?? reserved, now)
  nudgeDeliveries()
  return opened
}

/** Fresh credentials for a session that was begun with some: the owner's, or the App's own key. */
export async function renewCredentials(
  services: CreateServices,
  principal: Principal,
  uploadId: string,
): Promise<Issued> {
  const { uploads, apps, clock } = services
  const now = clock()
  const session = await uploads.touch(principal.appId, uploadId, now, grantOf(principal))
  if (!session || !reaches(principal, session, now)) throw noSuchUpload()
  const app = await apps.findApp(session.appId)
  return { ...(await renewed(services, session)), allowedOrigins: app?.allowedOrigins }
}

async function renewed(
  { storeNamed, clock }: Pick<Services, 'storeNamed' | 'clock'>,
  session: UploadSession,
): Promise<Issued> {
  if (session.method !== 'credentials') {
    throw notOffered('This upload goes by signed URLs: ask for its parts.')
  }
  const now = clock()
  if (session.state !== 'open') throw notOpen(session, now)
  if (session.expiresAt <= now) {
    throw uploadExpired()
  }
  const store = storeNamed(session.store)
  checkIssuer(store)
  const scope = { key: session.key }
  return { ...(await issue(store, scope, session.id, '/uploadId')), session, scope, store }
}

/** For the App's own backend: everything below one folder of the App. No session stands behind it. */
export async function credentialsForPrefix(
  services: CreateServices,
  principal: Principal,
  { prefix, policy }: { prefix: string; policy?: string },
): Promise<Issued> {
  if (principal.kind !== 'api-key') {
    throw notOffered('Only an api key gets credentials for a prefix.')
  }
  const folder = prefix.replace(/\/+$/, '')
  const fault = widens(folder) ? 'must not have *, ? or ${' : keyFault(folder)
  if (fault) throw invalid('/prefix', fault)
  const decision = await decide(services, principal, { filename: folder, policy, sizeBytes: 0 })
  if (decision.policy.credentials !== true) {
    throw notOffered('The policy does not offer credentials.')
  }
  const { store, app } = decision
  checkIssuer(store)
  const scope = { prefix: `${app.keyPrefix}/${folder}/` }
  return { ...(await issue(store, scope, app.id, '/prefix')), scope, store }
}

/** Fresh credentials for the newest unfinished session of a grant: what mobile SDKs ask for again and again. */
export async function credentialsOfGrant(
  services: Pick<Services, 'uploads' | 'storeNamed' | 'clock'>,
  principal: GrantPrincipal,
): Promise<Issued> {
  const { uploads, clock } = services
  checkUse(principal, 'credentials')
  const { appId, subject, grant, expired } = principal
  // Only what it began: the SDK has one key, and no way to learn of another.
  const filter = { subject, reach: { grantId: grant.grant }, state: 'open' as const, limit: 1 }
  const [newest] = await uploads.list(appId, filter)
  const session = newest && (await uploads.touch(appId, newest.id, clock()))
  if (!session && expired) throw grantExpired()
  if (!session) {
    throw new Problem('upload-not-found', {
      detail: 'This grant has no open upload: begin one with POST /v1/credentials.',
    })
  }
  return renewed(services, session)
}
