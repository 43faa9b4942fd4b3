// What there is for the housekeeping, asked over all apps in the way of apps-due.ts: from `apps`, each question probes an
// index once an app and stays with it. So a run costs what is old, not what there are apps. `offset 0` and `materialized`
// keep the probes what they are written as: joined together they would read whole tables.
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

/** Of the oldest that may go, what its id says after the prefix: when it was made. */
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
    const kinds = OLD_KINDS.filter((kind) => before[kind])
    if (!kinds.length) return []
    const named = (kind: OldKind) => sql.identifier(`oldest_of_${kind}`)
    const all = sql.join(kinds.map(named), sql`, `)
    const asked = kinds.map(
      (kind) => sql`${OLDEST[kind](OLD[kind](sql`a.app_id`, before[kind]!))} as ${named(kind)}`,
    )
    const rows = await database.execute<{ app_id: string; [oldest: string]: string | null }>(sql`
      with found as materialized (select a.app_id, ${sql.join(asked, sql`, `)} from apps a)
      select * from found where coalesce(${all}) is not null
      order by least(${all}), app_id limit ${limit}`)
    return rows.map((row) => ({
      appId: row.app_id,
      kinds: kinds.filter((kind) => row[`oldest_of_${kind}`] !== null),
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
    const asked = months.map((month) => ({
      month,
      begins_at: startOf(month),
      ends_at: startOf(monthAfter(month)),
      made_before: idBefore('upl', startOf(monthAfter(month))),
    }))
    const rows = await database.execute<{ month: Month }>(sql`
      select m.month
      from jsonb_to_recordset(${JSON.stringify(asked)}::jsonb)
        as m (month text, begins_at timestamptz, ends_at timestamptz, made_before text)
      where exists (select from apps a where exists (
        select from uploads u
        where u.app_id = a.app_id and u.storage_released_at is null and u.upload_id < m.made_before
          and exists (select from upload_events e where e.app_id = a.app_id and e.upload_id = u.upload_id
            and e.at >= m.begins_at and e.at < m.ends_at offset 0) offset 0))`)
    return rows.map(({ month }) => month)
  },
})
