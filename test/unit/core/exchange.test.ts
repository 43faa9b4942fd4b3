// One request and its whole answer: it ends in time, even if fetch ignores the abort.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { exchange } from '../../../src/net/exchange.ts'

const LIMITS = { timeoutMs: 1000, maxBytes: 4 }
const URL = 'https://example.com/'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const bytes = (text: string) => new TextEncoder().encode(text)
const answering = (body: BodyInit | null) => async () => new Response(body)
/** A body that sends this text and never ends. */
const endless = (text: string) =>
  new ReadableStream({ start: (controller) => controller.enqueue(bytes(text)) })

/** The outcome so far. */
async function outcomeAfter(milliseconds: number, work: Promise<unknown>) {
  let outcome: unknown = 'unsettled'
  work.then(
    () => {
      outcome = 'answered'
    },
    (error: Error) => {
      outcome = error.name
    },
  )
  await vi.advanceTimersByTimeAsync(milliseconds)
  return outcome
}

it('ends where the answer never comes, although the fetch ignores its signal', async () => {
  const work = exchange(() => new Promise(() => {}), URL, {}, LIMITS)

  expect(await outcomeAfter(999, work)).toBe('unsettled')
  expect(await outcomeAfter(1, work)).toBe('TimeoutError')
})

it('keeps the status where the body never ends', async () => {
  const work = exchange(answering(endless('ab')), URL, {}, LIMITS)
  expect(await outcomeAfter(1000, work)).toBe('answered')

  const { status, body } = await work

  expect(status).toBe(200)
  expect(body).toThrow('no answer in time')
})

it('reads up to the limit, and not one byte more', async () => {
  const whole = await exchange(answering('four'), URL, {}, LIMITS)
  const longer = await exchange(answering(endless('five!')), URL, {}, LIMITS)

  expect(whole.body()).toEqual(bytes('four'))
  expect(longer.body).toThrow('the answer is too large')
})

it('can be aborted by its caller, even before it begins', async () => {
  const caller = new AbortController()
  const never = () => new Promise<Response>(() => {})
  const work = exchange(never, URL, { signal: caller.signal }, LIMITS)
  caller.abort()

  expect(await outcomeAfter(0, work)).toBe('AbortError')
  const late = exchange(never, URL, { signal: caller.signal }, LIMITS)
  expect(await outcomeAfter(0, late)).toBe('AbortError')
})

it('aborts the fetch at its end, so that the connection is closed', async () => {
  let signal: AbortSignal | null | undefined
  const work = exchange(
    (_, init) => {
      signal = init?.signal
      return new Promise(() => {})
    },
    URL,
    {},
    LIMITS,
  )

  await outcomeAfter(1000, work)

  expect(signal?.aborted).toBe(true)
})
