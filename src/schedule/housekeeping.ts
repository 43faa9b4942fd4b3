// Keeps the tables from growing for ever: adds partitions of the event log ahead of time and removes rows past their retention.
// Bounded, oldest first, apps in turn. Two runs at once are harmless. Months come before rows, because rows may use up a run.
import { errorText } from '../core/error-text.ts'
import { databaseFailure } from '../core/ports/database-failure.ts'
import type { EventLogDb, HousekeepingDueDb, RetentionDb } from '../core/ports/housekeeping.ts'
import type { Services } from '../core/ports/services.ts'
import {
  horizon,
  type Month,
  monthAfter,
  monthOf,
  monthsBefore,
  OLD_KINDS,
  type OldKind,
  type Retention,
} from '../core/retention.ts'
import { type ResealServices, reseal } from './reseal.ts'

export interface HousekeepingServices extends ResealServices, Pick<Services, 'clock'> {
  due: HousekeepingDueDb
  eventLog: EventLogDb
  retention: RetentionDb
}

export interface HousekeepingOptions {
  keep: Retention
  /** The most statements that remove rows in one run. */
  batches?: number
}

/** Months after the current one that always have a partition. */
const MONTHS_AHEAD = 2
const ROWS_PER_BATCH = 500
const BATCHES = 2_000
/** The most secrets that one run re-seals. */
const SECRETS = 500
/** How many apps with old rows one query returns. */
const APPS_AT_A_TIME = 100
/** Requests of the budget that each takes, with the statements around its transaction. */
const REQUESTS = { question: 1, removal: 1, newMonth: 8, dropMonth: 5 }

const NOT_MADE = 'a month of the event log could not be made'
const NOT_DROPPED = 'a month of the event log could not be dropped'
const NOT_RESEALED = 'secrets could not be sealed with the first key'

const canAfford = ({ budget }: HousekeepingServices, requests: number) => budget.left >= requests

export async function keepHouse(
  services: HousekeepingServices,
  { keep, batches = BATCHES }: HousekeepingOptions,
): Promise<{ removed: number; dropped: number }> {
  const now = services.clock()
  if (!canAfford(services, REQUESTS.question)) return { removed: 0, dropped: 0 }
  const months = await services.eventLog.months()
  // If the role may not make tables, events go on falling into the default partition, and old rows are still removed.
  await tryOrLog(services, NOT_MADE, () => addMonths(services, new Set(months), now))
  const old = keep.eventDays ? monthsBefore(months, horizon(now, keep.eventDays)) : []
  const dropped = (await tryOrLog(services, NOT_DROPPED, () => dropMonths(services, old))) ?? 0
  await tryOrLog(services, NOT_RESEALED, () => resealSome(services))
  const removed = await removeOld(services, horizonsOf(keep, now), batches)
  if (removed || dropped) {
    services.log('info', 'removed what is past its retention', { rows: removed, months: dropped })
  }
  return { removed, dropped }
}

/** Logs a failure, so that the other work still gets its turn, and rethrows if the database is away. */
async function tryOrLog<Value>(
  { log }: HousekeepingServices,
  failure: string,
  work: () => Promise<Value>,
): Promise<Value | undefined> {
  try {
    return await work()
  } catch (error) {
    if (databaseFailure(error) === 'away') throw error
    log('error', failure, { error: errorText(error) })
    return undefined
  }
}

/** Re-seals secrets after a rotation of SECRET_KEYS, until no row names an older key. */
async function resealSome(services: HousekeepingServices): Promise<void> {
  const { resealed } = await reseal(services, { most: SECRETS })
  if (resealed) services.log('info', 'sealed secrets with the first key', { secrets: resealed })
}

/** Adds the coming months, then the months of strays: events that were written while their month had no partition. */
async function addMonths(
  services: HousekeepingServices,
  present: Set<Month>,
  now: Date,
): Promise<void> {
  const { due } = services
  const thisMonth = monthOf(now)
  for (let ahead = 1; ahead <= MONTHS_AHEAD; ahead++) {
    await addMonth(services, present, monthAfter(thisMonth, ahead), [])
  }
  if (!canAfford(services, REQUESTS.question)) return
  const strays = new Map<Month, string[]>([[thisMonth, []]])
  for (const { appId, month } of await due.strays()) {
    const apps = strays.get(month)
    if (apps) apps.push(appId)
    else strays.set(month, [appId])
  }
  for (const month of [...strays.keys()].sort()) {
    await tryOrLog(services, NOT_MADE, () => addMonth(services, present, month, strays.get(month)!))
  }
}

async function addMonth(
  services: HousekeepingServices,
  present: Set<Month>,
  month: Month,
  strays: readonly string[],
): Promise<void> {
  if (present.has(month)) return
  if (canAfford(services, REQUESTS.newMonth) && (await services.eventLog.addMonth(month, strays))) {
    present.add(month)
  } else {
    services.log('info', 'a month of the event log is left to a later run', { month })
  }
}

async function dropMonths(services: HousekeepingServices, old: readonly Month[]): Promise<number> {
  let dropped = 0
  if (!old.length || !canAfford(services, REQUESTS.question + REQUESTS.dropMonth)) return dropped
  const needed = await services.due.needed(old)
  for (const month of old) {
    if (needed.includes(month)) continue
    if (!canAfford(services, REQUESTS.dropMonth)) break
    const drop = () => services.eventLog.dropMonth(month)
    if (await tryOrLog(services, NOT_DROPPED, drop)) dropped++
  }
  return dropped
}

function horizonsOf({ sessionDays, deliveryDays }: Retention, now: Date) {
  const days = { deliveries: deliveryDays, sessions: sessionDays, grants: sessionDays }
  const horizons: Partial<Record<OldKind, Date>> = {}
  for (const kind of OLD_KINDS) {
    if (days[kind] !== undefined) horizons[kind] = horizon(now, days[kind])
  }
  return horizons
}

/** Starts with the app that has the oldest rows. Every app gets a turn before one gets its second. */
async function removeOld(
  services: HousekeepingServices,
  before: Partial<Record<OldKind, Date>>,
  batches: number,
): Promise<number> {
  let removed = 0
  let left = batches
  for (let isMore = true; isMore; ) {
    if (!canAfford(services, REQUESTS.question + REQUESTS.removal)) return removed
    const apps = await services.due.old(before, APPS_AT_A_TIME)
    const removedBefore = removed
    let tasks = apps.flatMap(({ appId, kinds }) => kinds.map((kind) => ({ appId, kind })))
    while (tasks.length) {
      const full: typeof tasks = []
      for (const task of tasks) {
        if (left <= 0 || !canAfford(services, REQUESTS.removal)) return removed
        const { appId, kind } = task
        const remove = () => services.retention[kind](appId, before[kind]!, ROWS_PER_BATCH)
        const failure = `old ${kind} of ${appId} could not be removed`
        const count = (await tryOrLog(services, failure, remove)) ?? 0
        removed += count
        if (count) left--
        if (count === ROWS_PER_BATCH) full.push(task)
      }
      tasks = full
    }
    // If nothing could be removed, another process is removing them.
    isMore = apps.length === APPS_AT_A_TIME && removed > removedBefore
  }
  return removed
}
