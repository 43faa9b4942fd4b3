// Removes what is past its retention: one bounded statement per table and app, the oldest first. Rows that somebody
// works on are skipped, so that two runs are harmless and no request waits.
import { type SQL, sql } from 'drizzle-orm'
import { idBefore, type RetentionDb } from '../core/retention.ts'
import type { Database } from './connect.ts'
import { instant } from './transition.ts'

export function retentionDb(database: Database): RetentionDb {
  const removed = async (statement: SQL) => (await database.execute(statement)).length

  return {
    deliveries: (appId, before, limit) =>
      removed(sql`
        with old as (
          select delivery_id from deliveries d
          where app_id = ${appId} and delivery_id < ${idBefore('dlv', before)}
            and created_at < ${instant(before)} and state in ('delivered', 'failed')
            and not exists (select from attempts t
              where t.app_id = ${appId} and t.delivery_id = d.delivery_id and t.at >= ${instant(before)})
          order by delivery_id limit ${limit} for update skip locked),
        tries as (
          delete from attempts where app_id = ${appId} and delivery_id in (select delivery_id from old))
        delete from deliveries
        where app_id = ${appId} and delivery_id in (select delivery_id from old) returning 1`),

    sessions: (appId, before, limit) =>
      removed(sql`
        with old as (
          select upload_id from uploads u
          where app_id = ${appId} and upload_id < ${idBefore('upl', before)}
            and ended_at < ${instant(before)} and storage_released_at is not null
            and leftovers_at is null
            and not exists (select from deliveries d where d.app_id = ${appId}
              and d.upload_id = u.upload_id and d.state not in ('delivered', 'failed'))
            and not exists (select from callbacks c where c.app_id = ${appId}
              and c.upload_id = u.upload_id and c.processed_at is null)
          order by upload_id limit ${limit} for update skip locked),
        inbox as (
          delete from callbacks where app_id = ${appId} and upload_id in (select upload_id from old))
        delete from uploads
        where app_id = ${appId} and upload_id in (select upload_id from old) returning 1`),

    grants: (appId, before, limit) =>
      removed(sql`
        with old as (
          select grant_id from grants g
          where app_id = ${appId} and grant_id < ${idBefore('grt', before)}
            and expires_at < ${instant(before)}
            and not exists (select from uploads u where u.app_id = ${appId} and u.subject = g.subject
              and u.grant_id = g.grant_id and u.state in ('initiating', 'open', 'completing'))
          order by grant_id limit ${limit} for update skip locked)
        delete from grants
        where app_id = ${appId} and grant_id in (select grant_id from old) returning 1`),
  }
}
