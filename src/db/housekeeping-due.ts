// Finds what housekeeping has to remove. Like apps-due.ts, it asks over all apps: each question starts from `apps` and probes an
// index once for each app, so a run costs as much as there is to remove. `offset 0` and `materialized` keep the planner from
// turning these probes into joins, which would read whole tables.
import { type SQL, sql } from 'drizzle-orm'
import type { HousekeepingDueDb } from '../core/ports/housekeeping.ts'
import {
  idBefore,
  type Month,
  monthAfter,
  OLD_KINDS,
  type OldKind,
  startOf,
} from '../core/retention.ts'
import type { Database } from './connect.ts'
import { OLD } from './retention.ts'

/** The oldest id without its prefix, which is the time when the row was made. */
const OLDEST: Record<OldKind, (condition: SQL) => SQL> = {
  deliveries: (condition) =>
    sql`(select substr(d.delivery_id, 5) from deliveries d where ${condition} order by d.delivery_id limit 1)`,
  sessions: (condition) =>
    sql`(select substr(u.upload_id, 5) from uploads u where ${condition} order by u.upload_id limit 1)`,
  grants: (condition) =>
    sql`(select substr(g.grant_id, 5) from grants g where ${condition} order by g.grant_id limit 1)`,
}

export const housekeepingDueDb = (database: Database): HousekeepingDueDb => ({
  async old(before, limit) {
    if (!OLD_KINDS.some((kind) => before[kind])) return []
    const oldest = (kind: OldKind) =>
      before[kind] ? OLDEST[kind](OLD[kind](sql`a.app_id`, before[kind])) : sql`null::text`
    const rows = await database.execute<
      { app_id: string } & Record<`oldest_${OldKind}`, string | null>
    >(sql`
      with oldest as materialized (
        select a.app_id,
          ${oldest('deliveries')} as oldest_deliveries,
          ${oldest('sessions')} as oldest_sessions,
          ${oldest('grants')} as oldest_grants
        from apps a)
      select * from oldest
      where coalesce(oldest_deliveries, oldest_sessions, oldest_grants) is not null
      order by least(oldest_deliveries, oldest_sessions, oldest_grants), app_id limit ${limit}`)
    return rows.map((row) => ({
      appId: row.app_id,
      kinds: OLD_KINDS.filter((kind) => row[`oldest_${kind}`] !== null),
    }))
  },

  async strays() {
    const rows = await database.execute<{ app_id: string; month: Month }>(sql`
      select a.app_id, s.month from apps a cross join lateral (
        select distinct to_char(e.at at time zone 'UTC', 'YYYY-MM') as month
        from upload_events_default e where e.app_id = a.app_id) s
      order by s.month, a.app_id`)
    return rows.map(({ app_id, month }) => ({ appId: app_id, month }))
  },

  async needed(months) {
    const ranges = months.map((month) => ({
      month,
      begins_at: startOf(month),
      ends_at: startOf(monthAfter(month)),
      made_before: idBefore('upl', startOf(monthAfter(month))),
    }))
    const rows = await database.execute<{ month: Month }>(sql`
      select m.month
      from jsonb_to_recordset(${JSON.stringify(ranges)}::jsonb)
        as m (month text, begins_at timestamptz, ends_at timestamptz, made_before text)
      where exists (select from apps a where exists (
        select from uploads u
        where u.app_id = a.app_id and u.storage_released_at is null and u.upload_id < m.made_before
          and exists (
            select from upload_events e
            where e.app_id = a.app_id and e.upload_id = u.upload_id
              and e.at >= m.begins_at and e.at < m.ends_at offset 0) offset 0))`)
    return rows.map(({ month }) => month)
  },
})
