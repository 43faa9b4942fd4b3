// The plan is contiguous, covers the file and respects the store's limits. Differences compare it with the stored parts.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  GiB,
  KiB,
  MiB,
  missingParts,
  partDifferences,
  partSizeAt,
  partsAt,
  planParts,
} from '../../../src/core/part-plan.ts'

const LIMITS = {
  minPartSizeBytes: 100 * KiB,
  maxPartSizeBytes: 5 * GiB,
  maxPartCount: 10_000,
  maxObjectSizeBytes: 10_000 * 5 * GiB,
}
const MAX = LIMITS.maxObjectSizeBytes

const plan = (sizeBytes: number | undefined, preferredPartSizeBytes = 8 * MiB) =>
  planParts({ sizeBytes, maxSizeBytes: MAX, preferredPartSizeBytes }, LIMITS)

describe('a plan', () => {
  it('covers every size with contiguous parts within the limits', () => {
    const sizes = fc.oneof(fc.integer({ min: 0, max: 200 * MiB }), fc.integer({ min: 0, max: MAX }))
    const preferred = fc.integer({ min: 1, max: 5 * GiB })
    fc.assert(
      fc.property(sizes, preferred, (sizeBytes, part) => {
        const { partSizeBytes, partCount } = plan(sizeBytes, part)
        expect(partCount).toBeLessThanOrEqual(10_000)
        expect(partSizeBytes).toBeGreaterThanOrEqual(LIMITS.minPartSizeBytes)
        expect(partSizeBytes).toBeLessThanOrEqual(LIMITS.maxPartSizeBytes)
        const whole = { sizeBytes, partSizeBytes, partCount: partCount! }
        const last = partCount ? partSizeAt(whole, partCount) : 0
        expect((Math.max(1, partCount!) - 1) * partSizeBytes + last).toBe(sizeBytes)
        if (partCount) expect(last).toBeGreaterThan(0)
      }),
    )
  })

  it.each([
    [0, 0],
    [1, 1],
    [8 * MiB - 1, 1],
    [8 * MiB, 1],
    [8 * MiB + 1, 2],
    [80_000 * MiB, 10_000],
    [MAX, 10_000],
  ])('of %d bytes has %d parts', (sizeBytes, partCount) => {
    expect(plan(sizeBytes).partCount).toBe(partCount)
  })

  it('of unknown size bounds its part numbers by the largest size', () => {
    const streamed = planParts({ maxSizeBytes: 20 * MiB, preferredPartSizeBytes: 8 * MiB }, LIMITS)
    expect(streamed).toEqual({
      sizeBytes: null,
      partSizeBytes: 8 * MiB,
      partCount: null,
      maxPartCount: 3,
    })
  })

  it('names every number beyond it', () => {
    const attempt = () => partsAt(plan(20 * MiB), [3, 4, 10_000])
    expect(attempt).toThrow(
      expect.objectContaining({
        code: 'part-out-of-range',
        members: { partNumbers: [4, 10_000], lastPartNumber: 3 },
      }),
    )
  })
})

describe('what is missing', () => {
  it.each([
    [[], [[1, 3]]],
    [
      [2],
      [
        [1, 1],
        [3, 3],
      ],
    ],
    [[1, 2, 3], []],
    [[3, 1], [[2, 2]]],
  ])('of three parts with %j stored is %j', (stored, missing) => {
    expect(missingParts(plan(20 * MiB), stored)).toEqual(missing)
  })

  it('of a stream ends with an open range', () => {
    const streamed = planParts({ maxSizeBytes: 80 * MiB, preferredPartSizeBytes: 8 * MiB }, LIMITS)
    expect(missingParts(streamed, [])).toEqual([[1, null]])
    expect(missingParts(streamed, [1, 3])).toEqual([
      [2, 2],
      [4, null],
    ])
    expect(missingParts(streamed, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])).toEqual([])
  })
})

it('differences name missing, unexpected and wrongly sized parts', () => {
  const stored = [
    { partNumber: 1, sizeBytes: 8 * MiB },
    { partNumber: 2, sizeBytes: 8 * MiB - 1 },
    { partNumber: 4, sizeBytes: 1 },
  ]
  expect(partDifferences(plan(20 * MiB), 20 * MiB, stored)).toEqual({
    missing: [3],
    unexpected: [4],
    wrongSize: [stored[1]],
  })
})
