// Finds the apps that have due work. It is one of the two statements that ask over all apps (docs/decisions/0003-tenants.md);
// everything after it works within one app.
import { sql } from 'drizzle-orm'
import type { Database } from './connect.ts'
import { instant } from './transition.ts'

/** Sessions to sweep, callbacks to process, storage to list; deliveries to attempt (`pending`) and to poll (`running`). */
export type Work = 'sessions' | 'callbacks' | 'scans' | 'pending' | 'running'

/** The app that waits longest comes first. */
export async function appsWithDue(
  database: Database,
  kinds: readonly Work[],
  now: Date,
): Promise<string[]> {
  const since = sql.join(kinds.map(sql.identifier), sql`, `)
  const isDue = sql`d.next_attempt_at <= ${instant(now)}
    and (d.lease_until is null or d.lease_until <= ${instant(now)})`
  // Each subquery probes a partial index once for each app and stays within that app. So the cost grows with the apps, not with
  // their sessions, and a distributed database can answer it.
  const rows = await database.execute<{ app_id: string }>(sql`
    select app_id from (
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
    where coalesce(${since}) is not null
    order by least(${since})`)
  return rows.map((row) => row.app_id)
}
