// Which apps have work that is due. One of the two statements that ask over all apps (docs/decisions/0003-tenants.md);
// everything after it works within one app. It probes the index of each question once an app, so it costs what there
// are apps, not what there are sessions, and it is distributed with them: every subquery stays with its app.
import { sql } from 'drizzle-orm'
import type { Database } from './connect.ts'
import { instant } from './transition.ts'

/** Sessions for the sweep, the inbox of callbacks, listings of storage; deliveries to make and to ask about. */
export type Work = 'sessions' | 'callbacks' | 'scans' | 'pending' | 'running'

/** Whoever waits longest comes first. */
export async function appsWithDue(
  database: Database,
  kinds: readonly Work[],
  now: Date,
): Promise<string[]> {
  const isDue = sql`d.next_attempt_at <= ${instant(now)}
    and (d.lease_until is null or d.lease_until <= ${instant(now)})`
  const rows = await database.execute<{ app_id: string } & Record<Work, string | null>>(sql`
    select * from (
      select a.app_id,
        (select min(u.sweep_at) from uploads u
          where u.app_id = a.app_id and (u.storage_released_at is null or u.leftovers_at is not null)
            and u.sweep_at <= ${instant(now)}) as sessions,
        (select min(c.received_at) from callbacks c
          where c.app_id = a.app_id and c.processed_at is null) as callbacks,
        (select min(s.next_at) from storage_scans s
          where s.app_id = a.app_id and s.next_at <= ${instant(now)}) as scans,
        (select min(d.next_attempt_at) from deliveries d
          where d.app_id = a.app_id and d.state = 'pending' and ${isDue}) as pending,
        (select min(d.next_attempt_at) from deliveries d
          where d.app_id = a.app_id and d.state = 'running' and ${isDue}) as running
      from apps a) work
    where coalesce(sessions, callbacks, scans, pending, running) is not null`)
  const since = (row: (typeof rows)[number]) =>
    Math.min(...kinds.flatMap((kind) => (row[kind] ? [Date.parse(row[kind])] : [])))
  return rows
    .map((row) => ({ appId: row.app_id, since: since(row) }))
    .filter((work) => Number.isFinite(work.since))
    .sort((one, other) => one.since - other.since)
    .map(({ appId }) => appId)
}
