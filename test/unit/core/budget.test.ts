// The budget of a scheduled run, and how the run shares it out.
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/config.ts'
import {
  appsWithin,
  budgetOf,
  inTurn,
  keeping,
  LEAST_RUN,
  sharesOf,
} from '../../../src/core/ports/budget.ts'

describe('the shares of a run', () => {
  it.each([
    [LEAST_RUN, false, { delivery: 10, sweep: 30, housekeeping: 0 }],
    [LEAST_RUN, true, { delivery: 10, sweep: 20, housekeeping: 10 }],
    [41, true, { delivery: 10, sweep: 21, housekeeping: 10 }],
    [59, false, { delivery: 29, sweep: 30, housekeeping: 0 }],
    [61, false, { delivery: 30, sweep: 31, housekeeping: 0 }],
    [81, true, { delivery: 30, sweep: 31, housekeeping: 20 }],
    [800, false, { delivery: 400, sweep: 400, housekeeping: 0 }],
    [800, true, { delivery: 300, sweep: 300, housekeeping: 200 }],
  ])('of %i requests, with housekeeping: %s', (requests, hasHousekeeping, shares) => {
    expect(sharesOf(requests, hasHousekeeping)).toEqual(shares)
  })

  it('add up to the whole run, and none is below that of the smallest run', () => {
    for (let requests = LEAST_RUN; requests < 1000; requests++) {
      for (const hasHousekeeping of [true, false]) {
        const { delivery, sweep, housekeeping } = sharesOf(requests, hasHousekeeping)
        expect(delivery + sweep + housekeeping).toBe(requests)
        expect(delivery).toBeGreaterThanOrEqual(10)
        expect(sweep).toBeGreaterThanOrEqual(hasHousekeeping ? 20 : 30)
        expect(housekeeping).toBeGreaterThanOrEqual(hasHousekeeping ? 10 : 0)
      }
    }
  })

  it('fit the smallest run that a configuration allows', () => {
    const runOf = (requests: number) => parseConfig({ RUN_REQUESTS: String(requests) }).runRequests

    expect(runOf(LEAST_RUN)).toBe(40)
    expect(() => runOf(LEAST_RUN - 1)).toThrow('RUN_REQUESTS')
  })
})

describe('apps in turn', () => {
  it.each([
    [0, 1],
    [19, 1],
    [29, 4],
    [399, 127],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ])('a sweep that has %d requests left asks %d', (requests, apps) => {
    expect(appsWithin(requests)).toBe(apps)
  })

  it('all get a turn, in order, if all fit', () => {
    expect(inTurn(['b', 'a', 'c'], 3, 7)).toEqual(['b', 'a', 'c'])
    expect(inTurn(['b', 'a', 'c'], Number.POSITIVE_INFINITY, 7)).toEqual(['b', 'a', 'c'])
  })

  it('each get equally many turns over the minutes, in any order', () => {
    const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    const turns = Array.from({ length: all.length }, (_, minute) => {
      const given = minute % 2 ? all : all.toReversed()
      return inTurn(given, 3, minute)
    }).flat()

    for (const app of all) expect(turns.filter((turn) => turn === app)).toHaveLength(3)
  })
})

it('a reserved share is spent only by its owner', () => {
  const budget = budgetOf(20)
  const first = keeping(budget, 15)
  for (let count = 0; count < 7; count++) first.spend()

  expect([first.left, budget.left]).toEqual([0, 13])
})
