// The months of the event log as partitions: made ahead, dropped whole. An event whose month has none falls into the
// default partition, so that writing never fails, and is moved when the month is made (docs/decisions/0004-event-log.md).
import { type SQL, sql } from 'drizzle-orm'
import type { EventLogDb } from '../core/ports/housekeeping.ts'
import { type Month, monthAfter, startOf } from '../core/retention.ts'
import type { Database } from './connect.ts'
import { postgresError } from './reserve.ts'
import { instant } from './transition.ts'

/** Changing partitions locks the log; whoever writes to it must not queue up behind our own wait. */
const LOCK_TIMEOUT = sql`set local lock_timeout = '2s'`
/**
 * No lock in time, a deadlock's loser; a stray was written between the move and the attach; another process has just made the
 * month. A statement that ran into its time-out is none of them: the next run would not be faster.
 */
const OVERTAKEN = ['55P03', '40P01', '23514', '42P07']

const partition = (month: Month): SQL =>
  sql`${sql.identifier(`upload_events_${month.replace('-', '_')}`)}`
/** Definitions take no parameters; these are made of digits and dashes only. */
const bound = (month: Month): SQL => sql.raw(`'${startOf(month).toISOString()}'`)
const within = (month: Month): SQL =>
  sql`at >= ${instant(startOf(month))} and at < ${instant(startOf(monthAfter(month)))}`

export function eventLogDb(database: Database): EventLogDb {
  /** One process at a time, and nothing of it where a lock is not to be had. */
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
        // A write that is under way has chosen the default partition, and would be refused when that no longer takes this
        // month. So writers are waited for, and those to come wait until the month is there.
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
