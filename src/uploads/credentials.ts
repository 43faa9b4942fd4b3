// Authorised upload by the client's own SDK: temporary credentials for one key, behind a session, or for a prefix.
// Such a client sets no stamp, so the session's key has to hold its id: the exact key stands in for the stamp.
import { uploadEvent } from '../core/event.ts'
import { keyFault } from '../core/object-key.ts'
import type { CredentialScope, ObjectStore, Services, TemporaryCredentials } from '../core/ports.ts'
import type { GrantPrincipal, Principal } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { isStoreFailure } from '../core/store-failure.ts'
import type { UploadSession } from '../core/upload-session.ts'
import { refusal } from './complete.ts'
import { type CreateServices, newUpload, reserve } from './create.ts'
import { type CreateInput, checkCredential, decide, subjectOf } from './decide.ts'
import { CREDENTIAL_SECONDS } from './release.ts'

export interface Issued extends TemporaryCredentials {
  session?: UploadSession
  scope: CredentialScope
  store: ObjectStore
}

const invalid = (pointer: string, detail: string) =>
  new Problem('invalid-request', {
    detail: `${pointer.slice(1)} ${detail}`,
    members: { errors: [{ pointer, detail }] },
  })

const notOffered = (detail: string) => new Problem('forbidden', { detail })

/** `*` and `?` would widen the session policy beyond the one key. */
const hasWildcard = (text: string) => /[*?]/.test(text)

/** RoleSessionName: 2 to 32 characters. An id without its kind has exactly 32. */
const sessionName = (id: string) => id.slice(id.indexOf('_') + 1).slice(-32)

async function issue(store: ObjectStore, scope: CredentialScope, id: string) {
  if (!store.issueCredentials) {
    throw notOffered(
      'This store issues no temporary credentials: its operator sets STORE_ROLE_ARN.',
    )
  }
  try {
    return await store.issueCredentials(scope, sessionName(id), CREDENTIAL_SECONDS)
  } catch (failure) {
    if (isStoreFailure(failure) && failure.code === 'PolicyTooLong') {
      throw invalid('/filename', 'makes a key that is too long for a session policy')
    }
    throw isStoreFailure(failure) ? refusal(failure) : failure
  }
}

/** A session with `method: credentials`, and credentials for its key. */
export async function createWithCredentials(
  services: CreateServices,
  principal: Principal,
  input: CreateInput,
): Promise<Issued> {
  checkCredential(principal, 'credentials')
  subjectOf(principal, input)
  const decision = await decide(services, principal, input)
  const { policy, store } = decision
  if (policy.credentials !== true) {
    throw notOffered('The policy does not offer credentials: create an upload instead.')
  }
  const upload = newUpload(services, principal, input, decision, {}, 'credentials')
  if (!upload.key.includes(upload.id) || hasWildcard(upload.key)) {
    throw notOffered(
      'For credentials the policy’s keyTemplate must contain {uploadId} and no wildcards.',
    )
  }
  if (!store.issueCredentials)
    return { ...(await issue(store, upload, upload.id)), scope: upload, store }
  const reservation = await reserve(services, upload)
  const { uploads, clock, newId, nudgeDeliveries } = services
  const now = clock()
  const session = { ...reservation.session, state: 'open' as const }
  const event = uploadEvent('upload.created', newId('evt'), now, session)
  const opened = (await uploads.open(session, undefined, event, now)) ?? session
  nudgeDeliveries()
  const scope = { key: opened.key }
  return { ...(await issue(store, scope, opened.id)), session: opened, scope, store }
}

/** For the App's own backend: everything below one folder of the App. No session stands behind it. */
export async function credentialsForPrefix(
  services: CreateServices,
  principal: Principal,
  { prefix, policy }: { prefix: string; policy?: string },
): Promise<Issued> {
  if (principal.kind !== 'api-key')
    throw notOffered('Only an api key gets credentials for a prefix.')
  const folder = prefix.replace(/\/+$/, '')
  const fault = hasWildcard(folder) ? 'has a wildcard' : keyFault(folder)
  if (fault) throw invalid('/prefix', fault)
  const decision = await decide(services, principal, { filename: folder, policy, sizeBytes: 0 })
  if (decision.policy.credentials !== true) {
    throw notOffered('The policy does not offer credentials.')
  }
  const scope = { prefix: `${decision.app.keyPrefix}/${folder}/` }
  const { store } = decision
  return { ...(await issue(store, scope, decision.app.id)), scope, store }
}

/** Fresh credentials for the newest unfinished session of a grant: what mobile SDKs ask for again and again. */
export async function credentialsOfGrant(
  services: Pick<Services, 'uploads' | 'apps' | 'storeNamed' | 'clock'>,
  { appId, subject, grant }: GrantPrincipal,
): Promise<Issued> {
  const { uploads, apps, storeNamed, clock } = services
  if (grant.use !== 'credentials') throw notOffered('This grant is not for credentials.')
  if (await apps.grantIsRevoked(appId, grant.grant)) {
    throw new Problem('grant-revoked', { detail: 'Ask the app for a new grant.' })
  }
  const filter = { subject, grantId: grant.grant, state: 'open' as const, limit: 1 }
  const [session] = await uploads.list(appId, filter)
  if (session?.method !== 'credentials' || session.expiresAt <= clock()) {
    throw new Problem('upload-not-found', {
      detail: 'This grant has no open upload: begin one with POST /v1/credentials.',
    })
  }
  const store = storeNamed(session.store)
  const scope = { key: session.key }
  return { ...(await issue(store, scope, session.id)), session, scope, store }
}
