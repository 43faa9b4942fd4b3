// The times at which deliveries are retried, and at which a store is polled about its work.
import { expect, it } from 'vitest'
import { pollAt, RETRY_SECONDS, retryAt } from '../../../src/delivery/schedule.ts'

const NOW = new Date('2026-01-01T00:00:00Z')
const seconds = (count: number) => new Date(NOW.getTime() + count * 1000)

it('retries after each pause of the schedule, up to a fifth later, and then stops', () => {
  for (const [made, pause] of RETRY_SECONDS.entries()) {
    expect(retryAt(made, NOW, 0)).toEqual(seconds(pause))
    expect(retryAt(made, NOW, 255)).toEqual(seconds(pause * 1.2))
  }
  expect(retryAt(RETRY_SECONDS.length, NOW, 0)).toBeUndefined()
})

it.each([
  [0, 30],
  [299, 30],
  [300, 30],
  [600, 60],
  [9000, 900],
  [50_000, 900],
])('after %i s of work a store is asked again in %i s', (age, pause) => {
  const until = seconds(1_000_000)
  expect(pollAt(seconds(-age), until, NOW)).toEqual(seconds(pause))
})

it('is polled a last time at the end of the rule’s time', () => {
  expect(pollAt(seconds(-10), seconds(20), NOW)).toEqual(seconds(20))
})
