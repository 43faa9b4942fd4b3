// The outbox: endpoints, deliveries claimed by lease, and every attempt at one.
import { and, desc, eq, inArray, lt, type SQL, sql } from 'drizzle-orm'
import type { Attempt, DeliveriesDb, Delivery, DeliveryState } from '../core/ports/deliveries.ts'
import type { Vault } from '../core/ports/sealed.ts'
import { appsWithDue } from './apps-due.ts'
import type { Database } from './connect.ts'
import { attempts, deliveries, webhookEndpoints } from './schema.ts'
import { chain, instant, json, recordEvent } from './transition.ts'

type DeliveryRow = typeof deliveries.$inferSelect

const toDelivery = (row: DeliveryRow): Delivery => ({
  appId: row.appId,
  id: row.deliveryId,
  eventId: row.eventId,
  uploadId: row.uploadId,
  target: row.target as Delivery['target'],
  endpointId: row.endpointId ?? undefined,
  type: row.type,
  body: row.body,
  state: row.state as DeliveryState,
  attemptCount: row.attemptCount,
  scheduledAttempts: row.scheduledAttempts,
  progress: row.progress ?? undefined,
  nextAttemptAt: row.nextAttemptAt ?? undefined,
  createdAt: row.createdAt,
})

/** Written out, so that the partial index of each state serves it. */
const IN_STATE = { pending: sql`state = 'pending'`, running: sql`state = 'running'` }

const isDue = (state: 'pending' | 'running', now: Date): SQL =>
  sql`${IN_STATE[state]} and next_attempt_at <= ${instant(now)}
    and (lease_until is null or lease_until <= ${instant(now)})`

export function deliveriesDb(database: Database, vault: Vault): DeliveriesDb {
  return {
    async createEndpoint({ appId, id, url, events, secret }, now) {
      await database.insert(webhookEndpoints).values({
        appId,
        endpointId: id,
        url,
        events,
        encryptedSecret: await vault.seal(secret),
        createdAt: now,
      })
    },

    async findEndpoint(appId, id) {
      const [found] = await database
        .select()
        .from(webhookEndpoints)
        .where(and(eq(webhookEndpoints.appId, appId), eq(webhookEndpoints.endpointId, id)))
      return (
        found && {
          appId,
          id,
          url: found.url,
          events: found.events ?? undefined,
          secret: await vault.open(found.encryptedSecret),
        }
      )
    },

    // The lease outlives the longest attempt; a worker that dies leaves the row to the next one after it.
    async claim(appId, state, now, leaseUntil, limit) {
      // In a `with`, which is run once: as a subquery it may be run once a row, and the limit holds no longer.
      const due = database.$with('due').as(
        database
          .select({ id: deliveries.deliveryId })
          .from(deliveries)
          .where(and(eq(deliveries.appId, appId), isDue(state, now)))
          .orderBy(deliveries.nextAttemptAt)
          .limit(limit)
          .for('update', { skipLocked: true }),
      )
      const ids = database.select({ id: due.id }).from(due)
      const claimed = await database
        .with(due)
        .update(deliveries)
        .set({ leaseUntil, attemptCount: sql`${deliveries.attemptCount} + 1` })
        .where(and(eq(deliveries.appId, appId), inArray(deliveries.deliveryId, ids)))
        .returning()
      return claimed.map(toDelivery)
    },

    // Guarded by the attempt number: a worker whose lease was taken over changes nothing, and tells nobody.
    async record(delivery, attempt, next, event) {
      const { appId, id, attemptCount, uploadId } = delivery
      const kept = attempt
        ? sql`kept as (
            insert into attempts (app_id, delivery_id, attempt_number, at, status, latency_ms, reason)
            values (${appId}, ${id}, ${attemptCount}, ${instant(attempt.at)},
              ${attempt.status ?? null}, ${attempt.latencyMs}, ${attempt.reason ?? null})
            on conflict do nothing),`
        : sql``
      const told = event
        ? sql`, changed as (
            update uploads set revision = revision + 1, ${chain(event)}
            where app_id = ${appId} and upload_id = ${uploadId} and exists (select from settled)
            returning *)
          ${recordEvent(event)}`
        : sql``
      const rows = await database.execute(sql`
        with ${kept}
        settled as (
          update deliveries set state = ${next.state}, next_attempt_at = ${instant(next.at)},
            progress = ${json(next.progress)}, lease_until = null,
            scheduled_attempts = ${delivery.scheduledAttempts + (attempt ? 1 : 0)}
          where app_id = ${appId} and delivery_id = ${id}
            and attempt_count = ${attemptCount} and state in ('pending', 'running')
          returning 1)
        ${told}
        select 1 from settled`)
      return rows.length === 1
    },

    async list(appId, of, { limit, cursor }) {
      const rows = await database
        .select()
        .from(deliveries)
        .where(
          and(
            eq(deliveries.appId, appId),
            'uploadId' in of
              ? eq(deliveries.uploadId, of.uploadId)
              : eq(deliveries.endpointId, of.endpointId),
            ...(cursor ? [lt(deliveries.deliveryId, cursor)] : []),
          ),
        )
        .orderBy(desc(deliveries.deliveryId))
        .limit(limit)
      if (!rows.length) return []
      const tried = await database
        .select()
        .from(attempts)
        .where(
          and(
            eq(attempts.appId, appId),
            inArray(
              attempts.deliveryId,
              rows.map(({ deliveryId }) => deliveryId),
            ),
          ),
        )
        .orderBy(attempts.attemptNumber)
      return rows.map((row) => ({
        ...toDelivery(row),
        attempts: tried
          .filter(({ deliveryId }) => deliveryId === row.deliveryId)
          .map(
            ({ at, status, latencyMs, reason }): Attempt => ({
              at,
              status: status ?? undefined,
              latencyMs,
              reason: reason ?? undefined,
            }),
          ),
      }))
    },

    async replay(appId, id, now) {
      const replayed = await database.execute(sql`
        with again as (
          update deliveries set state = 'pending', next_attempt_at = ${instant(now)},
            lease_until = null, scheduled_attempts = 0, progress = null
          where app_id = ${appId} and delivery_id = ${id} and state <> 'running')
        select 1 from deliveries where app_id = ${appId} and delivery_id = ${id}`)
      return replayed.length === 1
    },

    appsWithDue: (state, now) => appsWithDue(database, [state], now),
  }
}
