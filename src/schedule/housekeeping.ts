// What keeps the tables from growing for ever: partitions of the event log ahead of time, and the removal of what is past
// its retention. Bounded, oldest first, apps in turn; harmless when two run at once, and when none runs for long. What one
// run does not reach is there for the next, so whatever is begun first must come to an end: months before rows.
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
  /** Most statements that remove rows in one run. */
  batches?: number
}

/** The current month and so many more always have a partition. */
const MONTHS_AHEAD = 2
const ROWS_PER_BATCH = 500
const BATCHES = 2_000
/** Most secrets that one run seals anew. */
const SECRETS = 500
/** So many apps take turns before it is asked again who has something old. */
const APPS_AT_A_TIME = 100
/** What each takes of the budget, where it has none of its own: with the statements around its transaction. */
const REQUESTS = { question: 1, removal: 1, newMonth: 8, dropMonth: 5 }

const NOT_MADE = 'a month of the event log could not be made'
const NOT_DROPPED = 'a month of the event log could not be dropped'
const NOT_RESEALED = 'secrets could not be sealed with the first key'

/** Whoever begins something asks first. */
const affords = ({ budget }: HousekeepingServices, requests: number) => budget.left >= requests

export async function keepHouse(
  services: HousekeepingServices,
  { keep, batches = BATCHES }: HousekeepingOptions,
): Promise<{ removed: number; dropped: number }> {
  const now = services.clock()
  if (!affords(services, REQUESTS.question)) return { removed: 0, dropped: 0 }
  const months = await services.eventLog.months()
  // A role that may not make tables: events go on falling into the default partition, and old rows still go.
  await goingOn(services, NOT_MADE, () => addMonths(services, new Set(months), now))
  const old = keep.eventDays ? monthsBefore(months, horizon(now, keep.eventDays)) : []
  const dropped = (await goingOn(services, NOT_DROPPED, () => dropMonths(services, old))) ?? 0
  await goingOn(services, NOT_RESEALED, () => resealSome(services))
  const removed = await removeOld(services, horizonsOf(keep, now), batches)
  if (removed || dropped) {
    services.log('info', 'removed what is past its retention', { rows: removed, months: dropped })
  }
  return { removed, dropped }
}

/** One thing that fails must not keep the others from their turn; without a database there is no turn. */
async function goingOn<Value>(
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

/** After a rotation of SECRET_KEYS, until no row names an older key. */
async function resealSome(services: HousekeepingServices): Promise<void> {
  const { resealed } = await reseal(services, { most: SECRETS })
  if (resealed) services.log('info', 'sealed secrets with the first key', { secrets: resealed })
}

/** The months to come, then those of events that were written while their month had no partition. */
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
  if (!affords(services, REQUESTS.question)) return
  const strays = new Map<Month, string[]>([[thisMonth, []]])
  for (const { appId, month } of await due.strays()) {
    const apps = strays.get(month)
    if (apps) apps.push(appId)
    else strays.set(month, [appId])
  }
  for (const month of [...strays.keys()].sort()) {
    await goingOn(services, NOT_MADE, () => addMonth(services, present, month, strays.get(month)!))
  }
}

async function addMonth(
  services: HousekeepingServices,
  present: Set<Month>,
  month: Month,
  strays: readonly string[],
): Promise<void> {
  if (present.has(month)) return
  if (affords(services, REQUESTS.newMonth) && (await services.eventLog.addMonth(month, strays))) {
    present.add(month)
  } else {
    services.log('info', 'a month of the event log is left to a later run', { month })
  }
}

async function dropMonths(services: HousekeepingServices, old: readonly Month[]): Promise<number> {
  let dropped = 0
  if (!old.length || !affords(services, REQUESTS.question + REQUESTS.dropMonth)) return dropped
  const needed = await services.due.needed(old)
  for (const month of old) {
    if (needed.includes(month)) continue
    if (!affords(services, REQUESTS.dropMonth)) break
    const drop = () => services.eventLog.dropMonth(month)
    if (await goingOn(services, NOT_DROPPED, drop)) dropped++
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

/** The apps with the oldest rows first, and every one has its turn before one has its second. */
async function removeOld(
  services: HousekeepingServices,
  before: Partial<Record<OldKind, Date>>,
  batches: number,
): Promise<number> {
  let removed = 0
  let left = batches
  for (let isMore = true; isMore; ) {
    if (!affords(services, REQUESTS.question + REQUESTS.removal)) return removed
    const apps = await services.due.old(before, APPS_AT_A_TIME)
    const removedBefore = removed
    let tasks = apps.flatMap(({ appId, kinds }) => kinds.map((kind) => ({ appId, kind })))
    while (tasks.length) {
      const full: typeof tasks = []
      for (const task of tasks) {
        if (left <= 0 || !affords(services, REQUESTS.removal)) return removed
        const count = await removeBatch(services, task, before[task.kind]!)
        removed += count
        if (count) left--
        if (count === ROWS_PER_BATCH) full.push(task)
      }
      tasks = full
    }
    // Where none could be removed, somebody else is at them.
    isMore = apps.length === APPS_AT_A_TIME && removed > removedBefore
  }
  return removed
}

const removeBatch = async (
  services: HousekeepingServices,
  { appId, kind }: { appId: string; kind: OldKind },
  before: Date,
): Promise<number> =>
  (await goingOn(services, `old ${kind} of ${appId} could not be removed`, () =>
    services.retention[kind](appId, before, ROWS_PER_BATCH),
  )) ?? 0
