// The outbox at work: claims what is due, each app beside the others, hands it to its target and records what came of it.
import { errorText } from '../core/error-text.ts'
import type { Attempt, Delivery, NextStep } from '../core/ports/deliveries.ts'
import { withTimeout } from '../net/with-timeout.ts'
import { type Lanes, type LanesOptions, lanes } from './lanes.ts'
import { pollAt, retryAt } from './schedule.ts'
import { TARGETS } from './targets/index.ts'
import type { DeliverServices, Outcome } from './targets/target.ts'

export type { DeliverServices } from './targets/target.ts'

export interface DeliverLimits {
  /** An attempt without an outcome counts as unclear after so long. Longer than the time-outs of all calls of one attempt. */
  attemptMs: number
  /** Longer than an attempt and its record. */
  leaseMs: number
}

const LIMITS: DeliverLimits = { attemptMs: 100_000, leaseMs: 120_000 }
/** A run that somebody waits for asks twice: where a budget is short, some apps get their turn when others have ended. */
const ROUNDS = 2

/** Deliveries as they fall due, for a process that asks for them again and again: `begin` waits for no receiver. */
export const deliverer = (services: DeliverServices, limits = LIMITS): Lanes =>
  lanes(services, {
    ...pending(services, limits),
    onFailure: (app, error) =>
      services.log('error', 'delivery failed', { app, error: errorText(error) }),
  })

/** Delivers what is due now and what the budget allows. Answers how many attempts it made. */
export const deliverDue = (services: DeliverServices, limits = LIMITS): Promise<number> =>
  workOff(services, pending(services, limits))

const pending = (services: DeliverServices, limits: DeliverLimits) => ({
  state: 'pending' as const,
  leaseMs: limits.leaseMs,
  work: (delivery: Delivery) => attempt(services, delivery, limits),
})

/** Asks the stores about what they work on, as part of the sweep. Answers how many it asked about. */
export async function pollRunning(services: DeliverServices, limits = LIMITS): Promise<number> {
  const polled = await workOff(services, {
    state: 'running',
    leaseMs: limits.leaseMs,
    work: (delivery) => poll(services, delivery, limits),
  })
  if (polled) services.nudgeDeliveries()
  return polled
}

/** Rejects with the first failure, when all lanes have ended. */
async function workOff(
  services: DeliverServices,
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
  services: DeliverServices,
  delivery: Delivery,
  limits: DeliverLimits,
): Promise<void> {
  const began = services.clock()
  const outcome = await outcomeOf(services, delivery, limits, () =>
    TARGETS[delivery.target].attempt(services, delivery),
  )
  await settle(services, delivery, outcome, began)
}

/** Asked in vain, it is asked again later: only its end is an attempt worth recording. */
async function poll(
  services: DeliverServices,
  delivery: Delivery,
  limits: DeliverLimits,
): Promise<void> {
  const { clock, deliveries } = services
  const { progress } = delivery
  const target = TARGETS[delivery.target]
  const began = clock()
  const asked = await outcomeOf(services, delivery, limits, async () =>
    target.poll && progress ? target.poll(services, delivery) : NOT_AWAITED,
  )
  const isOpen = asked.kind === 'running' || asked.kind === 'unclear'
  const now = clock()
  if (isOpen && progress && now < new Date(progress.until)) {
    const at = pollAt(new Date(progress.since), new Date(progress.until), now)
    await deliveries.record(delivery, undefined, { state: 'running', at, progress })
    return
  }
  const outcome = isOpen ? TIMED_OUT : asked
  await settle(services, delivery, outcome, began)
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

/** A target that breaks, or never settles, must not keep the others of its batch from being recorded. */
async function outcomeOf(
  { log }: DeliverServices,
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
  { clock, randomBytes }: DeliverServices,
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

async function settle(
  services: DeliverServices,
  delivery: Delivery,
  outcome: Outcome,
  began: Date,
): Promise<void> {
  const { deliveries, clock, log } = services
  const next = nextStep(services, delivery, outcome)
  const reason = 'reason' in outcome ? outcome.reason : undefined
  const { status } = outcome
  const latencyMs = clock().getTime() - began.getTime()
  const made: Attempt = { at: began, latencyMs, status, reason }
  const event = await eventOf(services, delivery, outcome, next)
  // Overtaken after its lease: whoever took over says how it went.
  if (!(await deliveries.record(delivery, made, next, event))) return
  const failing = next.state === 'failed' || outcome.kind === 'unclear'
  log(failing ? 'warn' : 'info', `${delivery.target} ${next.state}`, {
    delivery: delivery.id,
    type: delivery.type,
    status,
    reason,
  })
}

function eventOf(
  services: DeliverServices,
  delivery: Delivery,
  outcome: Outcome,
  { state }: NextStep,
) {
  const { tell } = TARGETS[delivery.target]
  if (!tell || (state !== 'delivered' && state !== 'failed')) return undefined
  if (outcome.kind === 'running') return undefined
  const settled =
    outcome.kind === 'unclear'
      ? { ...outcome, kind: 'refused' as const, detail: `${GIVEN_UP}${outcome.reason}.` }
      : outcome
  return tell(services, delivery, settled)
}
