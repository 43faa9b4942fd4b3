// Stopping ends even if a run does not, and a run that does not end keeps no later run from its turn.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { unbounded } from '../../../src/core/ports/budget.ts'
import { trackBackground } from '../../../src/node/background.ts'
import { startJobs } from '../../../src/node/jobs.ts'
import { latch } from '../../support/gates.ts'

const never = () => new Promise<never>(() => {})
const lines: string[] = []
const log = (_level: string, message: string) => void lines.push(message)

beforeEach(() => {
  vi.useFakeTimers()
  lines.length = 0
})
afterEach(() => vi.useRealTimers())

/** How long it takes, by the fake timers. */
async function durationOf(ends: Promise<void>): Promise<number> {
  const began = Date.now()
  let tookMs = Number.NaN
  void ends.then(() => {
    tookMs = Date.now() - began
  })
  await vi.advanceTimersByTimeAsync(3_600_000)
  return tookMs
}

/** Jobs on a database that never answers, and a count of its queries. */
function stuckJobs() {
  const appsWithDue = vi.fn(never)
  const services = { deliveries: { appsWithDue }, clock: () => new Date(), budget: unbounded }
  // The run stops at its first query and uses nothing else.
  const jobs = startJobs(services as never, services as never, {} as never, log)
  return { jobs, appsWithDue }
}

it('jobs that never end are abandoned after half a minute, and the log says so', async () => {
  const { jobs, appsWithDue } = stuckJobs()
  jobs.deliveries.nudge()
  expect(appsWithDue).toHaveBeenCalledTimes(1)

  expect(await durationOf(jobs.stop())).toBe(30_000)

  expect(lines).toEqual(['what is under way is left: it comes again when its lease ends'])
})

it('no timer and no nudge starts a job after the stop', async () => {
  const { jobs, appsWithDue } = stuckJobs()

  expect(await durationOf(jobs.stop())).toBe(0)
  jobs.deliveries.nudge()
  await vi.advanceTimersByTimeAsync(3_600_000)

  expect(appsWithDue).not.toHaveBeenCalled()
  expect(lines).toEqual([])
})

it('the half minute counts from the first call, and a second call waits for the same end', async () => {
  const { jobs } = stuckJobs()
  jobs.deliveries.nudge()
  void jobs.stop()
  await vi.advanceTimersByTimeAsync(20_000)

  expect(await durationOf(jobs.stop())).toBe(10_000)
  expect(lines).toHaveLength(1)
})

it('a run that does not end keeps no later one from its turn, and the log says so', async () => {
  const { jobs, appsWithDue } = stuckJobs()
  jobs.deliveries.nudge()
  await vi.advanceTimersByTimeAsync(119_000)
  expect(appsWithDue).toHaveBeenCalledTimes(1)

  await vi.advanceTimersByTimeAsync(1_000)

  expect(appsWithDue).toHaveBeenCalledTimes(2)
  const told = lines.filter((line) => line.startsWith('delivery'))
  expect(told).toEqual(['delivery does not end: another run begins beside it'])
  await durationOf(jobs.stop())
})

it('work after an answer is waited for, but for ten seconds at most', async () => {
  const after = trackBackground(log)
  expect(await durationOf(after.ended())).toBe(0)
  const work = latch()
  after.keep(work.opened)
  const ended = vi.fn()
  void after.ended().then(ended)
  await vi.advanceTimersByTimeAsync(4_000)
  expect(ended).not.toHaveBeenCalled()
  work.open()
  await vi.advanceTimersByTimeAsync(0)
  expect(ended).toHaveBeenCalledTimes(1)
  after.keep(Promise.reject(new Error('nobody waits for it')))
  after.keep(never())

  expect(await durationOf(after.ended())).toBe(10_000)

  expect(lines).toEqual(['what goes on after an answer is left to the sweep'])
})
