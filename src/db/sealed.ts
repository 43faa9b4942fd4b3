// Counts and lists sealed secrets over all apps, starting from `apps` as apps-due.ts does, and re-seals them row by row.
import { sql } from 'drizzle-orm'
import type { SealedDb, SealedKind, SealedSecret, Vault } from '../core/ports/sealed.ts'
import type { Database } from './connect.ts'

/** Every column that holds a sealed secret. Add a new one here, so that it is counted and re-sealed. */
const SEALED = sql`
  select 'issuer' as kind, i.issuer_id as id, i.encrypted_secret as sealed
  from issuers i where i.app_id = a.app_id and i.encrypted_secret is not null
  union all
  select 'webhook endpoint', w.endpoint_id, w.encrypted_secret
  from webhook_endpoints w where w.app_id = a.app_id`

/** The vault writes the key's name before the sealed text. */
const KID = sql`split_part(s.sealed, '.', 1)`

const UPDATES = {
  issuer: ({ appId, id, sealed }: SealedSecret, resealed: string) => sql`
    update issuers set encrypted_secret = ${resealed}
    where app_id = ${appId} and issuer_id = ${id} and encrypted_secret = ${sealed} returning 1`,
  'webhook endpoint': ({ appId, id, sealed }: SealedSecret, resealed: string) => sql`
    update webhook_endpoints set encrypted_secret = ${resealed}
    where app_id = ${appId} and endpoint_id = ${id} and encrypted_secret = ${sealed} returning 1`,
}

export const sealedDb = (database: Database, vault: Vault): SealedDb => ({
  async counts() {
    const rows = await database.execute<{ kid: string; kind: SealedKind; count: number }>(sql`
      select ${KID} as kid, s.kind, count(*)::int as count
      from apps a cross join lateral (${SEALED}) s group by 1, 2 order by 1, 2`)
    const [first, ...later] = vault.kids
    return rows.map((row) => ({
      ...row,
      key: row.kid === first ? 'first' : later.includes(row.kid) ? 'later' : 'unlisted',
    }))
  },

  async sealedByOthers(limit, after) {
    const rows = await database.execute<Omit<SealedSecret, 'appId'> & { app_id: string }>(sql`
      select a.app_id, s.kind, s.id, s.sealed
      from apps a cross join lateral (${SEALED}) s
      where ${KID} <> ${vault.kids[0]}
        and (a.app_id, s.kind, s.id) > (${after?.appId ?? ''}, ${after?.kind ?? ''}, ${after?.id ?? ''})
      order by a.app_id, s.kind, s.id limit ${limit}`)
    return rows.map(({ app_id: appId, ...secret }) => ({ appId, ...secret }))
  },

  async reseal(secret) {
    const resealed = await vault.seal(await vault.open(secret.sealed))
    return (await database.execute(UPDATES[secret.kind](secret, resealed))).length === 1
  },
})
