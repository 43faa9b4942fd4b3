// Removes rows past their retention, oldest first, by one bounded statement for each table and app. It skips locked rows, so
// that two runs are harmless and no request waits.
import { type SQL, sql } from 'drizzle-orm'
import type { RetentionDb } from '../core/ports/housekeeping.ts'
import { idBefore, type OldKind } from '../core/retention.ts'
import type { Database } from './connect.ts'
import { instant } from './transition.ts'

/**
 * The rows of an app that may be removed; housekeeping-due.ts uses the same conditions. `offset 0` keeps each `exists` a probe
 * for one old row: as a join it would read whole tables.
 */
export const OLD: Record<OldKind, (app: SQL | string, before: Date) => SQL> = {
  deliveries: (app, before) => sql`
    d.app_id = ${app} and d.delivery_id < ${idBefore('dlv', before)}
    and d.created_at < ${instant(before)} and d.state in ('delivered', 'failed')
    and not exists (select from attempts t
      where t.app_id = ${app} and t.delivery_id = d.delivery_id and t.at >= ${instant(before)} offset 0)`,

  sessions: (app, before) => sql`
    u.app_id = ${app} and u.upload_id < ${idBefore('upl', before)}
    and u.ended_at < ${instant(before)} and u.storage_released_at is not null
    and u.leftovers_at is null
    and not exists (select from deliveries d where d.app_id = ${app}
      and d.upload_id = u.upload_id and d.state not in ('delivered', 'failed') offset 0)
    and not exists (select from callbacks c where c.app_id = ${app}
      and c.upload_id = u.upload_id and c.processed_at is null offset 0)`,

  grants: (app, before) => sql`
    g.app_id = ${app} and g.grant_id < ${idBefore('grt', before)}
    and g.expires_at < ${instant(before)}
    and not exists (select from uploads u where u.app_id = ${app} and u.grant_id = g.grant_id
      and (u.ended_at is null or u.ended_at >= ${instant(before)}) offset 0)`,
}

export function retentionDb(database: Database): RetentionDb {
  const countRows = async (statement: SQL) => (await database.execute(statement)).length

  return {
    deliveries: (appId, before, limit) =>
      countRows(sql`
        with old as (
          select d.delivery_id from deliveries d where ${OLD.deliveries(appId, before)}
          order by d.delivery_id limit ${limit} for update skip locked),
        tries as (
          delete from attempts where app_id = ${appId} and delivery_id in (select delivery_id from old))
        delete from deliveries
        where app_id = ${appId} and delivery_id in (select delivery_id from old) returning 1`),

    sessions: (appId, before, limit) =>
      countRows(sql`
        with old as (
          select u.upload_id from uploads u where ${OLD.sessions(appId, before)}
          order by u.upload_id limit ${limit} for update skip locked),
        inbox as (
          delete from callbacks where app_id = ${appId} and upload_id in (select upload_id from old))
        delete from uploads
        where app_id = ${appId} and upload_id in (select upload_id from old) returning 1`),

    grants: (appId, before, limit) =>
      countRows(sql`
        with old as (
          select g.grant_id from grants g where ${OLD.grants(appId, before)}
          order by g.grant_id limit ${limit} for update skip locked)
        delete from grants
        where app_id = ${appId} and grant_id in (select grant_id from old) returning 1`),
  }
}
