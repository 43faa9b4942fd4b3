// The outbox at work: claims what is due, one app at a time, hands it to its target and records what came of it.
import { errorText } from '../core/error-text.ts'
import type { Attempt, Delivery, NextStep } from '../core/ports.ts'
import { pollAt, retryAt } from './schedule.ts'
import { type DeliverServices, type Outcome, TARGETS } from './targets.ts'

export type { DeliverServices } from './targets.ts'

/** Outlives the time-outs of all calls of one attempt. */
const LEASE_MS = 120_000
const BATCH = 20
/** Apps are asked in turn, so that one with many deliveries does not starve the others. */
const ROUNDS = 10
/** Outgoing requests that must be left before another attempt. Processing makes the most: five, two reads and the record. */
const REQUESTS_PER_ATTEMPT = 8

/** Delivers what is due now and what the budget allows. Answers how many attempts it made. */
export const deliverDue = (services: DeliverServices): Promise<number> =>
  workOff(services, 'pending', attempt)

/** Asks the stores about what they work on, as part of the sweep. Answers how many it asked about. */
export async function pollRunning(services: DeliverServices): Promise<number> {
  const polled = await workOff(services, 'running', poll)
  if (polled) services.nudgeDeliveries()
  return polled
}

async function workOff(
  services: DeliverServices,
  state: 'pending' | 'running',
  work: (services: DeliverServices, delivery: Delivery) => Promise<void>,
): Promise<number> {
  const { deliveries, clock, budget } = services
  let count = 0
  for (let round = 0; round < ROUNDS; round++) {
    // Two more for the question and the claim.
    if (budget.left < REQUESTS_PER_ATTEMPT + 2) return count
    const apps = await deliveries.appsWithDue(state, clock())
    if (!apps.length) break
    for (const appId of apps) {
      // One more for the claim itself.
      const most = Math.min(BATCH, Math.floor((budget.left - 1) / REQUESTS_PER_ATTEMPT))
      if (most < 1) return count
      const now = clock()
      const lease = new Date(now.getTime() + LEASE_MS)
      const claimed = await deliveries.claim(appId, state, now, lease, most)
      await Promise.all(claimed.map((delivery) => work(services, delivery)))
      count += claimed.length
    }
  }
  return count
}

async function attempt(services: DeliverServices, delivery: Delivery): Promise<void> {
  const began = services.clock()
  const outcome = await outcomeOf(services, delivery, () =>
    TARGETS[delivery.target].attempt(services, delivery),
  )
  await settle(services, delivery, outcome, began)
}

/** Asked in vain, it is asked again later: only its end is an attempt worth recording. */
async function poll(services: DeliverServices, delivery: Delivery): Promise<void> {
  const { clock, deliveries } = services
  const { progress } = delivery
  const target = TARGETS[delivery.target]
  const began = clock()
  const asked = await outcomeOf(services, delivery, async () =>
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

/** A target that breaks must not keep the others of its batch from being recorded. */
async function outcomeOf(
  { log }: DeliverServices,
  { id }: Delivery,
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  try {
    return await work()
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
