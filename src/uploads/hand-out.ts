// Hands out a session to a credential: tokens, the link to complete it, and the form of a form upload.
import type { App } from '../core/ports/apps.ts'
import type { Services } from '../core/ports/services.ts'
import type { Credential } from '../core/principal.ts'
import { holderOf } from '../core/reach.ts'
import { mintToken, type UploadToken } from '../core/token.ts'
import type { UploadSession } from '../core/upload-session.ts'
import { signUploadForm, type UploadForm } from './form.ts'
import { backendCompletes, mintCompletionToken, offersDirect, uploadClaims } from './tokens.ts'

export interface SessionTokens {
  uploadToken: string
  completionToken?: string
  complete: { url: string; direct: boolean }
}

export interface Handout {
  tokens: SessionTokens
  /** The claims of the upload token, to sign parts with. */
  claims: UploadToken
  form?: UploadForm
}

/** The App's origins, or undefined if it allows any. For an upload token, the token's own. */
async function originsFor({ apps }: Services, credential: Credential, app?: App) {
  if (credential.kind === 'upload') return credential.token.origins
  const allowed = (app ?? (await apps.findApp(credential.appId)))?.allowedOrigins
  return allowed?.includes('*') ? undefined : allowed
}

/** A caller that has the App passes it to save a query. */
export async function handOut(
  services: Services,
  credential: Credential,
  session: UploadSession,
  app?: App,
): Promise<Handout> {
  const holder = holderOf(credential)
  const origins = await originsFor(services, credential, app)
  const claims = uploadClaims(services, session, holder, origins)
  return {
    claims,
    tokens: {
      uploadToken: await mintToken(services.tokenKeys, 'upload', claims),
      completionToken: await mintCompletionToken(services, session, holder, origins),
      complete: {
        url: `${services.publicUrl()}/v1/uploads/${session.id}/complete`,
        direct: !backendCompletes(session, holder) && offersDirect(services, session),
      },
    },
    form: holder.isOwner ? await signUploadForm(services, session, holder) : undefined,
  }
}
