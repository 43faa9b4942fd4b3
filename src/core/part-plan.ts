// PartPlan: cuts a file into parts within the limits of the store and the policy.
import { Problem } from './problem.ts'

export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB

/** Of the store, inclusive. */
export interface PartLimits {
  minPartSizeBytes: number
  maxPartSizeBytes: number
  maxPartCount: number
  maxObjectSizeBytes: number
}

/** `sizeBytes` and `partCount` are null while the size is unknown; then `maxPartCount` bounds the numbers. */
export type PartPlan =
  | { sizeBytes: number; partSizeBytes: number; partCount: number }
  | { sizeBytes: null; partSizeBytes: number; partCount: null; maxPartCount: number }

/** A part to be sent. `sizeBytes` is exact. */
export interface Part {
  partNumber: number
  sizeBytes: number
}

export interface PlanRequest {
  /** Absent for a stream of unknown size. */
  sizeBytes?: number
  /** The largest size that the policy and the store allow. */
  maxSizeBytes: number
  preferredPartSizeBytes: number
  minPartSizeBytes?: number
}

const DEFAULT_ROUNDING = 64 * KiB

const roundUp = (value: number, step: number) => Math.ceil(value / step) * step

/** Raises the preferred part size, in steps of 64 KiB, until the file fits the store's part count. */
export function planParts(request: PlanRequest, limits: PartLimits): PartPlan {
  const { sizeBytes, maxSizeBytes, preferredPartSizeBytes } = request
  const size = sizeBytes ?? maxSizeBytes
  const needed = roundUp(Math.ceil(size / limits.maxPartCount), DEFAULT_ROUNDING)
  const least = Math.max(limits.minPartSizeBytes, request.minPartSizeBytes ?? 0)
  const wanted = Math.max(preferredPartSizeBytes, needed, least)
  const partSizeBytes = Math.min(wanted, limits.maxPartSizeBytes)
  if (Math.ceil(size / partSizeBytes) > limits.maxPartCount) {
    throw new Problem('file-too-large', {
      detail: `The store takes at most ${limits.maxObjectSizeBytes} bytes in one object.`,
      members: { maxSizeBytes: limits.maxObjectSizeBytes },
    })
  }
  if (sizeBytes === undefined) {
    return {
      sizeBytes: null,
      partSizeBytes,
      partCount: null,
      maxPartCount: Math.ceil(maxSizeBytes / partSizeBytes),
    }
  }
  return { sizeBytes, partSizeBytes, partCount: Math.ceil(sizeBytes / partSizeBytes) }
}

export const lastPartNumber = (plan: PartPlan): number =>
  plan.partCount === null ? plan.maxPartCount : plan.partCount

/** The exact size of a part whose number is at most `lastPartNumber`. */
export function partSizeAt(plan: PartPlan, partNumber: number): number {
  if (plan.sizeBytes === null || partNumber < plan.partCount) return plan.partSizeBytes
  return plan.sizeBytes - (plan.partCount - 1) * plan.partSizeBytes
}

/** The parts of the plan with these numbers. Throws `part-out-of-range` naming every number beyond the plan. */
export function partsAt(plan: PartPlan, partNumbers: readonly number[], last?: Part): Part[] {
  const end = lastPartNumber(plan)
  const beyond = partNumbers.filter((number) => number > end)
  if (beyond.length) {
    throw new Problem('part-out-of-range', {
      detail:
        end === 0 ? 'An empty file has no parts: call complete.' : `Ask for parts 1 to ${end}.`,
      members: { partNumbers: beyond, lastPartNumber: end },
    })
  }
  return partNumbers.map((partNumber) => ({
    partNumber,
    sizeBytes: last?.partNumber === partNumber ? last.sizeBytes : partSizeAt(plan, partNumber),
  }))
}

/** `count` part numbers from `from` on, within the plan. A `from` beyond the plan is kept, so that `partsAt` refuses it. */
export function partRange(plan: PartPlan, from: number, count: number): number[] {
  const end = Math.min(from + count - 1, Math.max(from, lastPartNumber(plan)))
  return Array.from({ length: end - from + 1 }, (_, index) => from + index)
}

/** Inclusive ranges of part numbers that are not stored yet. A plan of unknown size ends with `[n, null]`. */
export function missingParts(
  plan: PartPlan,
  stored: Iterable<number>,
): Array<[from: number, to: number | null]> {
  const present = new Set(stored)
  const known = plan.partCount === null ? Math.max(0, ...present) : plan.partCount
  const ranges: Array<[number, number | null]> = []
  for (let number = 1; number <= known; number++) {
    if (present.has(number)) continue
    const previous = ranges.at(-1)
    if (previous?.[1] === number - 1) previous[1] = number
    else ranges.push([number, number])
  }
  if (plan.partCount === null && known < plan.maxPartCount) {
    const previous = ranges.at(-1)
    if (previous?.[1] === known) previous[1] = null
    else ranges.push([known + 1, null])
  }
  return ranges
}

/** Compares the stored parts with the planned object of `sizeBytes`. All lists are empty if they match. */
export function partDifferences(
  plan: PartPlan,
  sizeBytes: number,
  stored: ReadonlyArray<Part>,
): { missing: number[]; unexpected: number[]; wrongSize: Part[] } {
  const partCount = Math.ceil(sizeBytes / plan.partSizeBytes)
  const whole: PartPlan = { sizeBytes, partSizeBytes: plan.partSizeBytes, partCount }
  const numbers = new Set(stored.map(({ partNumber }) => partNumber))
  const missing: number[] = []
  for (let number = 1; number <= partCount; number++) if (!numbers.has(number)) missing.push(number)
  return {
    missing,
    unexpected: [...numbers].filter((number) => number > partCount),
    wrongSize: stored.filter(
      ({ partNumber, sizeBytes: size }) =>
        partNumber <= partCount && size !== partSizeAt(whole, partNumber),
    ),
  }
}
