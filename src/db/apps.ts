// Apps and what they own: api keys (hash only), policies, trusted issuers, grants.
import { and, desc, eq, isNull, lt, sql } from 'drizzle-orm'
import { POLICY_DEFAULTS } from '../core/policy.ts'
import type { AppsDb, Issuer } from '../core/ports/apps.ts'
import type { Vault } from '../core/ports/sealed.ts'
import { fieldProblem, Problem } from '../core/problem.ts'
import type { Database } from './connect.ts'
import { withoutNulls } from './row.ts'
import { apiKeys, apps, grants, issuers, policies, storageScans } from './schema.ts'
import { instant, json } from './transition.ts'

/** A prefix has at most 128 characters, and a segment at least one and its slash. */
const MAX_PREFIX_SEGMENTS = 64

/** The other statement that asks over all apps, because issuer and audience decide the app. */
const selectIssuers = (database: Database, issuer: string, audiences: readonly string[]) =>
  database
    .select()
    .from(issuers)
    .where(
      and(
        eq(issuers.issuer, issuer),
        sql`${issuers.audience} = any(array(select jsonb_array_elements_text(${JSON.stringify(audiences)}::jsonb)))`,
      ),
    )
    .limit(2)

/** The lock makes an app register its issuers one by one, so that each sees the earlier prefixes. */
async function refusePrefixConflict(
  transaction: Pick<Database, 'execute'>,
  { appId, subjectPrefix }: Issuer,
): Promise<void> {
  await transaction.execute(sql`select from apps where app_id = ${appId} for no key update`)
  const [other] = await transaction.execute<{ issuer_id: string; subject_prefix: string }>(sql`
    select issuer_id, subject_prefix from issuers
    where app_id = ${appId} and subject_prefix <> ${subjectPrefix}
      and (starts_with(subject_prefix, ${subjectPrefix}) or starts_with(${subjectPrefix}, subject_prefix))
    limit 1`)
  if (!other) return
  const [mine, theirs] = [subjectPrefix, other.subject_prefix].map((one) => JSON.stringify(one))
  const otherwise = other.subject_prefix ? ', or one of which neither begins the other' : ''
  const detail =
    `The subjectPrefix ${theirs} of the issuer ${other.issuer_id} and ${mine} overlap, so two owners could have one subject. ` +
    `Give ${theirs} to join the subjects of both${otherwise}.`
  throw fieldProblem('subject-prefix-conflict', '/subjectPrefix', detail)
}

export function appsDb(database: Database, vault: Vault): AppsDb {
  return {
    async createApp(app, apiKey, policy, now) {
      await database.transaction(async (transaction) => {
        // Prefixes are compared over all apps, so only one app is created at a time.
        await transaction.execute(
          sql`select pg_advisory_xact_lock(hashtext('countersign-key-prefix'))`,
        )
        const overlapping = await transaction
          .select({ appId: apps.appId })
          .from(apps)
          .where(
            sql`starts_with(${apps.keyPrefix} || '/', ${`${app.keyPrefix}/`})
              or starts_with(${`${app.keyPrefix}/`}, ${apps.keyPrefix} || '/')`,
          )
          .limit(1)
        if (overlapping.length) {
          throw new Problem('key-prefix-taken', {
            detail: 'Choose a keyPrefix that neither begins another app’s nor is begun by one.',
          })
        }
        await transaction.insert(apps).values({
          appId: app.id,
          name: app.name,
          keyPrefix: app.keyPrefix,
          allowedOrigins: app.allowedOrigins,
          createdAt: now,
        })
        await transaction
          .insert(apiKeys)
          .values({ appId: app.id, keyId: apiKey.keyId, hash: apiKey.hash, createdAt: now })
        if (policy) {
          await transaction
            .insert(policies)
            .values({ appId: app.id, name: 'default', document: policy, updatedAt: now })
          const store = policy.store ?? POLICY_DEFAULTS.store
          await transaction.insert(storageScans).values({ appId: app.id, store, nextAt: now })
        }
      })
    },

    async findApp(appId) {
      const [found] = await database.select().from(apps).where(eq(apps.appId, appId))
      return found && { ...found, id: found.appId }
    },

    // Prefixes do not overlap, so that one app at most has a prefix that the key goes on from.
    async findAppOfKey(key) {
      const segments = key.split('/').slice(0, MAX_PREFIX_SEGMENTS + 1)
      const prefixes = segments.slice(1).map((_, index) => segments.slice(0, index + 1).join('/'))
      const [found] = await database
        .select({ id: apps.appId })
        .from(apps)
        .where(
          sql`${apps.keyPrefix} = any(array(select jsonb_array_elements_text(${JSON.stringify(prefixes)}::jsonb)))`,
        )
        .limit(1)
      return found?.id
    },

    async listApps({ limit, cursor }) {
      const found = await database
        .select()
        .from(apps)
        .where(cursor ? lt(apps.appId, cursor) : undefined)
        .orderBy(desc(apps.appId))
        .limit(limit)
      return found.map((app) => ({ ...app, id: app.appId }))
    },

    async putPolicy(appId, name, policy, now) {
      // From now on the sweep lists the store that the policy names.
      const stored = await database.execute(sql`
        with put as (
          insert into policies (app_id, name, document, updated_at)
          select app_id, ${name}, ${json(policy)}, ${instant(now)}
          from apps where app_id = ${appId}
          on conflict (app_id, name) do update
            set document = excluded.document, updated_at = excluded.updated_at
          returning app_id, updated_at),
        listed as (
          insert into storage_scans (app_id, store, next_at)
          select app_id, ${policy.store ?? POLICY_DEFAULTS.store}, updated_at from put
          on conflict do nothing)
        select from put`)
      return stored.length === 1
    },

    async findPolicy(appId, name) {
      const [found] = await database
        .select()
        .from(apps)
        .leftJoin(policies, and(eq(policies.appId, apps.appId), eq(policies.name, name)))
        .where(eq(apps.appId, appId))
      return (
        found && {
          app: { ...found.apps, id: appId },
          policy: found.policies?.document ?? undefined,
        }
      )
    },

    async createIssuer(issuer, now) {
      const encryptedSecret = issuer.secret ? await vault.seal(issuer.secret) : null
      await database.transaction(async (transaction) => {
        // Issuer and audience decide the app, so they are unique over all apps. No index can say so: each begins with app_id.
        await transaction.execute(
          sql`select pg_advisory_xact_lock(hashtext(${`${issuer.issuer}\n${issuer.audience}`}))`,
        )
        if ((await selectIssuers(transaction, issuer.issuer, [issuer.audience])).length) {
          throw new Problem('issuer-taken', {
            detail: 'This issuer and audience are registered already. Use another audience.',
          })
        }
        await refusePrefixConflict(transaction, issuer)
        const { secret: _, ...columns } = issuer
        await transaction.insert(issuers).values({ ...columns, encryptedSecret, createdAt: now })
      })
    },

    async findIssuers(issuer, audiences) {
      if (!audiences.length) return []
      const found = await selectIssuers(database, issuer, audiences)
      return Promise.all(
        found.map(
          async (row): Promise<Issuer> => ({
            ...withoutNulls(row),
            secret: row.encryptedSecret ? await vault.open(row.encryptedSecret) : undefined,
          }),
        ),
      )
    },

    async findApiKey(appId, hash) {
      const [found] = await database
        .select({ keyId: apiKeys.keyId })
        .from(apiKeys)
        .where(and(eq(apiKeys.appId, appId), eq(apiKeys.hash, hash), isNull(apiKeys.revokedAt)))
      return found
    },

    async createGrant(grant, now) {
      await database.insert(grants).values({ ...grant, createdAt: now })
    },

    async grantIsRevoked(appId, grantId) {
      const [found] = await database
        .select({ revokedAt: grants.revokedAt })
        .from(grants)
        .where(and(eq(grants.appId, appId), eq(grants.grantId, grantId)))
      return found === undefined || found.revokedAt !== null
    },
  }
}
