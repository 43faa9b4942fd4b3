// What keeps the tables from growing for ever: partitions of the event log ahead of time, and the removal of what is past
// its retention. Bounded, oldest first, apps in turn; harmless when two run at once, and when none runs for long.
import { errorText } from '../core/error-text.ts'
import type { Services } from '../core/ports.ts'
import {
  type EventLogDb,
  horizon,
  monthAfter,
  monthOf,
  monthsBefore,
  type RemoveOld,
  type Retention,
  type RetentionDb,
} from '../core/retention.ts'

export interface HousekeepingServices extends Pick<Services, 'apps' | 'clock' | 'budget' | 'log'> {
  eventLog: EventLogDb
  retention: RetentionDb
}

export interface HousekeepingOptions {
  keep: Retention
  /** Most statements that remove rows in one run. */
  batches?: number
  /** Ends the run after the statement that is under way. */
  signal?: AbortSignal
}

/** The current month and so many more always have a partition. */
const MONTHS_AHEAD = 2
const ROWS_PER_BATCH = 500
const BATCHES = 2_000
const APPS_PER_PAGE = 100
/** Outgoing requests that must be left before something else is begun: a month that is made takes the most. */
const REQUESTS_LEFT = 12

const isAffordable = ({ budget }: HousekeepingServices) => budget.left >= REQUESTS_LEFT

export async function keepHouse(
  services: HousekeepingServices,
  { keep, batches = BATCHES, signal }: HousekeepingOptions,
): Promise<{ removed: number; dropped: number }> {
  const now = services.clock()
  try {
    await addMonths(services, now)
  } catch (error) {
    // A role that may not make tables: events go on falling into the default partition, and old rows still go.
    services.log('error', 'a month of the event log could not be made', { error: errorText(error) })
  }
  const rules = rulesOf(services.retention, keep, now)
  const removed = await removeOld(services, rules, batches, signal)
  const dropped = keep.eventDays ? await dropMonths(services, horizon(now, keep.eventDays)) : 0
  if (removed || dropped) {
    services.log('info', 'removed what is past its retention', { rows: removed, months: dropped })
  }
  return { removed, dropped }
}

async function* everyApp({ apps }: HousekeepingServices): AsyncGenerator<string> {
  for (let cursor: string | undefined; ; ) {
    const page = await apps.listApps({ limit: APPS_PER_PAGE, cursor })
    for (const { id } of page) yield id
    if (page.length < APPS_PER_PAGE) return
    cursor = page.at(-1)!.id
  }
}

/** The months to come, and those of events that were written while their month had no partition. */
async function addMonths(services: HousekeepingServices, now: Date): Promise<void> {
  const { eventLog } = services
  const strays = new Map<string, string[]>()
  for await (const appId of everyApp(services)) {
    if (!isAffordable(services)) break
    for (const month of await eventLog.strays(appId)) {
      strays.set(month, [...(strays.get(month) ?? []), appId])
    }
  }
  const present = new Set(await eventLog.months())
  const ahead = Array.from({ length: MONTHS_AHEAD + 1 }, (_, n) => monthAfter(monthOf(now), n))
  const wanted = new Set([...ahead, ...strays.keys()] as typeof ahead)
  for (const month of [...wanted].sort()) {
    if (present.has(month) || !isAffordable(services)) continue
    if (!(await eventLog.addMonth(month, strays.get(month) ?? []))) {
      services.log('info', 'a month of the event log is made by the next run', { month })
    }
  }
}

interface Rule {
  remove: RemoveOld
  before: Date
}

/** Deliveries first: a session that is owed one stays. */
function rulesOf(
  { deliveries, sessions, grants }: RetentionDb,
  { sessionDays, deliveryDays }: Retention,
  now: Date,
): Rule[] {
  const rule = (remove: RemoveOld, days: number | undefined) =>
    days === undefined ? [] : [{ remove, before: horizon(now, days) }]
  return [
    ...rule(deliveries, deliveryDays),
    ...rule(sessions, sessionDays),
    ...rule(grants, sessionDays),
  ]
}

/** Every app has its turn before one has its second. */
async function removeOld(
  services: HousekeepingServices,
  rules: readonly Rule[],
  batches: number,
  signal?: AbortSignal,
): Promise<number> {
  let removed = 0
  let left = batches
  let unfinished: Array<{ appId: string; rule: Rule }> = []
  for await (const appId of everyApp(services)) {
    unfinished.push(...rules.map((rule) => ({ appId, rule })))
  }
  while (unfinished.length) {
    const full: typeof unfinished = []
    for (const task of unfinished) {
      if (left <= 0 || signal?.aborted || !isAffordable(services)) return removed
      const count = await task.rule.remove(task.appId, task.rule.before, ROWS_PER_BATCH)
      removed += count
      // A look that finds nothing costs little; only what removes is counted.
      if (count) left--
      if (count === ROWS_PER_BATCH) full.push(task)
    }
    unfinished = full
  }
  return removed
}

async function dropMonths(services: HousekeepingServices, before: Date): Promise<number> {
  const { eventLog } = services
  let dropped = 0
  for (const month of monthsBefore(await eventLog.months(), before)) {
    if (await isNeeded(services, month)) continue
    if (await eventLog.dropMonth(month)) dropped++
  }
  return dropped
}

async function isNeeded(
  services: HousekeepingServices,
  month: Parameters<EventLogDb['isNeeded']>[1],
): Promise<boolean> {
  for await (const appId of everyApp(services)) {
    // Whoever could not be asked may need it.
    if (!isAffordable(services)) return true
    if (await services.eventLog.isNeeded(appId, month)) return true
  }
  return false
}
