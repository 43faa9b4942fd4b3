// The delivery loop on an outbox in memory: no target or app can keep another from its turn.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { unbounded } from '../../../src/core/ports/budget.ts'
import type { DeliveriesDb, Delivery } from '../../../src/core/ports/deliveries.ts'
import { deliverDue, deliverer } from '../../../src/delivery/deliver.ts'
import { latch } from '../../support/gates.ts'

const never = () => new Promise<never>(() => {})
const settled = () => Promise.resolve()
const range = (count: number, name: string) =>
  Array.from({ length: count }, (_, at) => `${name} ${at}`)
const NOW = new Date('2026-01-01T00:00:00Z')

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Due deliveries of each app; the app that has waited longest comes first. A webhook's URL is its delivery's id. */
function anOutbox(due: Record<string, string[]>) {
  const recorded: Array<[id: string, state: string, reason?: string]> = []
  const sent: string[] = []
  const claims: string[] = []
  const waiting = new Set<() => void>()
  /** Resolves when the list has this many entries. */
  const reach = (list: unknown[], length: number) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (list.length >= length) resolve()
      }
      waiting.add(look)
      look()
    })
  const note = <Item>(list: Item[], item: Item) => {
    list.push(item)
    for (const look of waiting) look()
  }
  const deliveryOf = (appId: string, id: string) =>
    ({
      ...{ appId, id, eventId: id, endpointId: id, target: 'webhook', body: '{}' },
      scheduledAttempts: 0,
    }) as Delivery
  const deliveries: Partial<DeliveriesDb> = {
    appsWithDue: async () => Object.keys(due).filter((app) => due[app]!.length),
    async claim(appId, _state, _now, _lease, limit) {
      claims.push(appId)
      return due[appId]!.splice(0, limit).map((id) => deliveryOf(appId, id))
    },
    findEndpoint: async (appId, id) => ({ appId, id, url: id, secret: 'whsec_c2VjcmV0' }),
    record: async ({ id }, attempt, { state }) => {
      note(recorded, [id, state, attempt?.reason])
      return true
    },
  }
  const lines: string[] = []
  /** Runs the loop on this outbox; `answer` is the receiver. */
  const services = (answer: (url: string) => Promise<unknown> = async () => {}) =>
    ({
      deliveries,
      async sendWebhook(url: string) {
        note(sent, url)
        await answer(url)
        return { status: 204 }
      },
      clock: () => NOW,
      randomBytes: () => new Uint8Array(1),
      budget: unbounded,
      log: (_level: string, message: string) => void lines.push(message),
    }) as never
  return { due, deliveries, services, claims, sent, recorded, lines, reach }
}

it('an attempt that never settles is recorded before its lease ends, and its app’s next batch is claimed', async () => {
  const outbox = anOutbox({ app: ['stuck', ...range(20, 'next')] })
  const delivered = deliverDue(outbox.services((url) => (url === 'stuck' ? never() : settled())))
  await outbox.reach(outbox.recorded, 19)
  await vi.advanceTimersByTimeAsync(119_000)

  expect(outbox.recorded[19]).toEqual(['stuck', 'pending', 'no outcome in time'])
  expect(await delivered).toBe(21)
  expect(outbox.recorded[20]).toEqual(['next 19', 'delivered', undefined])
})

it('a record that never settles is left to its lease, and the next batch is claimed', async () => {
  const outbox = anOutbox({ app: ['first', ...range(20, 'next')] })
  const { record } = outbox.deliveries
  outbox.deliveries.record = (delivery, ...rest) =>
    delivery.id === 'first' ? never() : record!(delivery, ...rest)
  const delivered = deliverDue(outbox.services())
  await outbox.reach(outbox.recorded, 19)
  await vi.advanceTimersByTimeAsync(120_000)

  expect(await delivered).toBe(21)

  expect(outbox.recorded).toHaveLength(20)
  expect(outbox.lines).toContain('a delivery is left to its lease')
})

it('a claim that never settles does not block other apps, and its own slots are freed', async () => {
  const outbox = anOutbox({ bad: ['late'], good: ['soon'] })
  const { claim } = outbox.deliveries
  outbox.deliveries.claim = (appId, ...rest) => (appId === 'bad' ? never() : claim!(appId, ...rest))
  const { begin, ended } = deliverer(outbox.services())
  await begin()
  await outbox.reach(outbox.recorded, 1)
  await vi.advanceTimersByTimeAsync(120_000)
  outbox.deliveries.claim = claim!

  await begin()
  await ended()

  expect(outbox.recorded).toEqual([
    ['soon', 'delivered', undefined],
    ['late', 'delivered', undefined],
  ])
})

it('slow receivers of four apps use their own slots, so a fifth app’s delivery is sent meanwhile', async () => {
  const slow = ['one', 'two', 'three', 'four']
  const outbox = anOutbox({
    ...Object.fromEntries(slow.map((app) => [app, range(30, app)])),
    good: [],
  })
  const gate = latch()
  const services = outbox.services((url) => (url.startsWith('good') ? settled() : gate.opened))
  const { begin, ended } = deliverer(services)
  await begin()
  await outbox.reach(outbox.sent, 4 * 20)

  outbox.due.good!.push('good 1', 'good 2')
  await begin()
  await outbox.reach(outbox.recorded, 2)

  expect(outbox.recorded).toEqual([
    ['good 1', 'delivered', undefined],
    ['good 2', 'delivered', undefined],
  ])
  expect(outbox.sent).toHaveLength(4 * 20 + 2)
  gate.open()
  expect(await ended()).toBe(4 * 30 + 2)
})

it('an app always gets a slot, however many are in use', async () => {
  const apps = range(600, 'app')
  const outbox = anOutbox(Object.fromEntries(apps.map((app) => [app, range(2, app)])))
  const gate = latch()
  const { begin, ended } = deliverer(outbox.services(() => gate.opened))
  await begin()
  expect(outbox.claims).toHaveLength(600)
  await outbox.reach(outbox.sent, 600)

  expect(new Set(outbox.sent)).toEqual(new Set(apps.map((app) => `${app} 0`)))
  gate.open()
  expect(await ended()).toBe(1200)
})
