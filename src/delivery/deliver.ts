// Works off the outbox: claims due deliveries, hands each to its target and records the outcome.
import { errorText } from '../core/error-text.ts'
import type { Attempt, Delivery, NextStep } from '../core/ports/deliveries.ts'
import type { Services } from '../core/ports/services.ts'
import { withTimeout } from '../net/with-timeout.ts'
import { type Lanes, type LanesOptions, lanes } from './lanes.ts'
import { pollAt, retryAt } from './schedule.ts'
import { TARGETS } from './targets/index.ts'
import type { Outcome } from './targets/target.ts'

export interface DeliverLimits {
  /** After this long, an attempt's outcome is unclear. Longer than the time-outs of all its calls together. */
  attemptMs: number
  /** Longer than an attempt and the statement that records it. */
  leaseMs: number
}

const LIMITS: DeliverLimits = { attemptMs: 100_000, leaseMs: 120_000 }
/** A bounded run asks twice, because with a short budget some apps only get their turn after others have ended. */
const ROUNDS = 2

/** For a process that asks for due deliveries again and again: `begin` does not wait for receivers. */
export const deliverer = (services: Services, limits = LIMITS): Lanes =>
  lanes(services, {
    ...pending(services, limits),
    onFailure: (app, error) =>
      services.log('error', 'delivery failed', { app, error: errorText(error) }),
  })

/** Delivers what is due, as far as the budget allows. Returns how many attempts it made. */
export const deliverDue = (services: Services, limits = LIMITS): Promise<number> =>
  workOff(services, pending(services, limits))

const pending = (services: Services, limits: DeliverLimits) => ({
  state: 'pending' as const,
  leaseMs: limits.leaseMs,
  work: (delivery: Delivery) => attempt(services, delivery, limits),
})

/** Asks the stores about running tasks, as part of the sweep. Returns how many it asked about. */
export async function pollRunning(services: Services, limits = LIMITS): Promise<number> {
  const polled = await workOff(services, {
    state: 'running',
    leaseMs: limits.leaseMs,
    work: (delivery) => poll(services, delivery, limits),
  })
  if (polled) services.nudgeDeliveries()
  return polled
}

/** Rejects with the first failure once all lanes have ended. */
async function workOff(
  services: Services,
  options: Omit<LanesOptions, 'onFailure'>,
): Promise<number> {
  const failures: unknown[] = []
  const onFailure = (_: string, error: unknown) => void failures.push(error)
  const { begin, ended } = lanes(services, { ...options, onFailure })
  let count = 0
  for (let round = 0; round < ROUNDS; round++) {
    await begin()
    const worked = await ended()
    if (failures.length) throw failures[0]
    if (worked === count) break
    count = worked
  }
  return count
}

async function attempt(
  services: Services,
  delivery: Delivery,
  limits: DeliverLimits,
): Promise<void> {
  const began = services.clock()
  const outcome = await outcomeOf(services, delivery, limits, () =>
    TARGETS[delivery.target].attempt(services, delivery),
  )
  await finish(services, delivery, outcome, began)
}

/** Records an attempt only when the task has ended. Until then it schedules the next poll. */
async function poll(services: Services, delivery: Delivery, limits: DeliverLimits): Promise<void> {
  const { clock, deliveries } = services
  const { progress } = delivery
  const target = TARGETS[delivery.target]
  const began = clock()
  const polled = await outcomeOf(services, delivery, limits, async () =>
    target.poll && progress ? target.poll(services, delivery) : NOT_AWAITED,
  )
  const isOpen = polled.kind === 'running' || polled.kind === 'unclear'
  const now = clock()
  if (isOpen && progress && now < new Date(progress.until)) {
    const at = pollAt(new Date(progress.since), new Date(progress.until), now)
    await deliveries.record(delivery, undefined, { state: 'running', at, progress })
    return
  }
  const outcome = isOpen ? TIMED_OUT : polled
  await finish(services, delivery, outcome, began)
}

const NOT_AWAITED: Outcome = {
  kind: 'refused',
  reason: 'not-awaited',
  detail: 'Nothing is known of a task at the store. Replay the delivery.',
}
const TIMED_OUT: Outcome = {
  kind: 'refused',
  reason: 'timed-out',
  detail: 'The store accepted it and has not finished it in the time that the rule allows.',
}
const GIVEN_UP = 'No attempt had a clear answer. The last one: '

/** A target that throws or never settles must not keep the others of its batch from being recorded. */
async function outcomeOf(
  { log }: Services,
  { id }: Delivery,
  { attemptMs }: DeliverLimits,
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  try {
    return await withTimeout<Outcome, Outcome>(work(), attemptMs, () => {
      log('error', 'a delivery target did not settle', { delivery: id })
      return { kind: 'unclear', reason: 'no outcome in time' }
    })
  } catch (error) {
    log('error', 'a delivery target failed', { delivery: id, error: errorText(error) })
    return { kind: 'unclear', reason: 'internal' }
  }
}

function nextStep(
  { clock, randomBytes }: Services,
  { scheduledAttempts, progress }: Delivery,
  outcome: Outcome,
): NextStep {
  switch (outcome.kind) {
    case 'done':
      return { state: 'delivered', progress }
    case 'refused':
      return { state: 'failed', progress }
    case 'running': {
      const { since, until } = outcome.progress
      const at = pollAt(new Date(since), new Date(until), clock())
      return { state: 'running', at, progress: outcome.progress }
    }
    case 'unclear': {
      const at = retryAt(scheduledAttempts, clock(), randomBytes(1)[0]!)
      return at ? { state: 'pending', at } : { state: 'failed' }
    }
    default:
      return outcome satisfies never
  }
}

async function finish(
  services: Services,
  delivery: Delivery,
  outcome: Outcome,
  began: Date,
): Promise<void> {
  const { deliveries, clock, log } = services
  const next = nextStep(services, delivery, outcome)
  const reason = 'reason' in outcome ? outcome.reason : undefined
  const { status } = outcome
  const latencyMs = clock().getTime() - began.getTime()
  const attempted: Attempt = { at: began, latencyMs, status, reason }
  const event = await eventOf(services, delivery, outcome, next)
  // The lease has ended and another worker took over: that one logs the outcome.
  if (!(await deliveries.record(delivery, attempted, next, event))) return
  const failing = next.state === 'failed' || outcome.kind === 'unclear'
  log(failing ? 'warn' : 'info', `${delivery.target} ${next.state}`, {
    delivery: delivery.id,
    type: delivery.type,
    status,
    reason,
  })
}

function eventOf(services: Services, delivery: Delivery, outcome: Outcome, { state }: NextStep) {
  const { buildEvent } = TARGETS[delivery.target]
  if (!buildEvent || (state !== 'delivered' && state !== 'failed')) return undefined
  if (outcome.kind === 'running') return undefined
  const final =
    outcome.kind === 'unclear'
      ? { ...outcome, kind: 'refused' as const, detail: `${GIVEN_UP}${outcome.reason}.` }
      : outcome
  return buildEvent(services, delivery, final)
}
