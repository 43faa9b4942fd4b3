// Adds and drops the monthly partitions of the event log. An event whose month has no partition goes into the default one, so
// that writing never fails, and is moved when its month is added (docs/decisions/0004-event-log.md).
import { type SQL, sql } from 'drizzle-orm'
import type { EventLogDb } from '../core/ports/housekeeping.ts'
import { type Month, monthAfter, startOf } from '../core/retention.ts'
import type { Database } from './connect.ts'
import { postgresError } from './reserve.ts'
import { instant } from './transition.ts'

/** Changing partitions locks the log. While we wait for that lock, writers queue up behind us, so the wait is short. */
const LOCK_TIMEOUT = sql`set local lock_timeout = '2s'`
/**
 * No lock in time; the loser of a deadlock; a stray written between move and attach; a month that another process just added.
 * A statement time-out is not among them, because the next run would not be faster.
 */
const OVERTAKEN = ['55P03', '40P01', '23514', '42P07']

const partition = (month: Month): SQL =>
  sql`${sql.identifier(`upload_events_${month.replace('-', '_')}`)}`
/** Raw, because definitions take no parameters. It holds digits, dashes and colons only. */
const bound = (month: Month): SQL => sql.raw(`'${startOf(month).toISOString()}'`)
const within = (month: Month): SQL =>
  sql`at >= ${instant(startOf(month))} and at < ${instant(startOf(monthAfter(month)))}`

export function eventLogDb(database: Database): EventLogDb {
  /** Runs in one process at a time, and changes nothing if it gets no lock. */
  async function change(work: (transaction: Database) => Promise<void>): Promise<boolean> {
    try {
      return await database.transaction(async (transaction) => {
        const [lock] = await transaction.execute<{ free: boolean }>(
          sql`select pg_try_advisory_xact_lock(hashtext('countersign-event-log')) as free`,
        )
        if (!lock?.free) return false
        await transaction.execute(LOCK_TIMEOUT)
        await work(transaction)
        return true
      })
    } catch (error) {
      if (OVERTAKEN.includes(postgresError(error)?.code ?? '')) return false
      throw error
    }
  }

  return {
    async months() {
      const rows = await database.execute<{ month: Month }>(sql`
        select replace(substr(child.relname, 15), '_', '-') as month
        from pg_inherits join pg_class child on child.oid = inhrelid
        where inhparent = 'upload_events'::regclass and child.relname ~ '^upload_events_[0-9]{4}_[0-9]{2}$'
        order by month`)
      return rows.map(({ month }) => month)
    },

    addMonth: (month, strays) =>
      change(async (transaction) => {
        const table = partition(month)
        await transaction.execute(sql`create table ${table} (like upload_events including all)`)
        // Waits for writers that have already chosen the default partition, which will soon refuse this month, and makes later
        // writers wait until the month exists.
        await transaction.execute(sql`lock table upload_events in share row exclusive mode`)
        if (strays.length) {
          await transaction.execute(sql`
            with moved as (
              delete from upload_events_default e
              using (select jsonb_array_elements_text(${JSON.stringify(strays)}::jsonb) as app_id) s
              where e.app_id = s.app_id and ${within(month)} returning e.*)
            insert into ${table} select * from moved`)
        }
        await transaction.execute(sql`
          alter table upload_events attach partition ${table}
          for values from (${bound(month)}) to (${bound(monthAfter(month))})`)
      }),

    dropMonth: (month) =>
      change(async (transaction) => {
        await transaction.execute(sql`drop table if exists ${partition(month)}`)
      }),
  }
}
