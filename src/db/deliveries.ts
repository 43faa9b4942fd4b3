// The outbox: endpoints, deliveries claimed by lease, and every attempt at one.
import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm'
import type { Attempt, DeliveriesDb, Delivery, DeliveryState, Vault } from '../core/ports.ts'
import type { Database } from './connect.ts'
import { attempts, deliveries, webhookEndpoints } from './schema.ts'
import { instant } from './transition.ts'

type DeliveryRow = typeof deliveries.$inferSelect

const toDelivery = (row: DeliveryRow): Delivery => ({
  appId: row.appId,
  id: row.deliveryId,
  eventId: row.eventId,
  endpointId: row.endpointId,
  type: row.type,
  body: row.body,
  state: row.state as DeliveryState,
  attemptCount: row.attemptCount,
  scheduledAttempts: row.scheduledAttempts,
  nextAttemptAt: row.nextAttemptAt ?? undefined,
  createdAt: row.createdAt,
})

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
    async claim(appId, now, leaseUntil, limit) {
      // In a `with`, which is run once: as a subquery it may be run once a row, and the limit holds no longer.
      const due = database.$with('due').as(
        database
          .select({ id: deliveries.deliveryId })
          .from(deliveries)
          .where(
            and(
              eq(deliveries.appId, appId),
              eq(deliveries.state, 'pending'),
              sql`${deliveries.nextAttemptAt} <= ${instant(now)}`,
              sql`(${deliveries.leaseUntil} is null or ${deliveries.leaseUntil} <= ${instant(now)})`,
            ),
          )
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

    // Guarded by the attempt number: a worker whose lease was taken over changes nothing.
    async record(delivery, attempt, next) {
      await database.execute(sql`
        with kept as (
          insert into attempts (app_id, delivery_id, attempt_number, at, status, latency_ms, reason)
          values (${delivery.appId}, ${delivery.id}, ${delivery.attemptCount}, ${instant(attempt.at)},
            ${attempt.status ?? null}, ${attempt.latencyMs}, ${attempt.reason ?? null})
          on conflict do nothing)
        update deliveries set state = ${next.state}, next_attempt_at = ${instant(next.at)},
          scheduled_attempts = ${delivery.scheduledAttempts + 1}, lease_until = null
        where app_id = ${delivery.appId} and delivery_id = ${delivery.id}
          and attempt_count = ${delivery.attemptCount} and state = 'pending'`)
    },

    async list(appId, endpointId, { limit, cursor }) {
      const rows = await database
        .select()
        .from(deliveries)
        .where(
          and(
            eq(deliveries.appId, appId),
            eq(deliveries.endpointId, endpointId),
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
      const replayed = await database
        .update(deliveries)
        .set({ state: 'pending', nextAttemptAt: now, leaseUntil: null, scheduledAttempts: 0 })
        .where(and(eq(deliveries.appId, appId), eq(deliveries.deliveryId, id)))
        .returning({ id: deliveries.deliveryId })
      return replayed.length === 1
    },

    async appsWithDueDeliveries(now) {
      const rows = await database.execute<{ app_id: string }>(sql`
        select app_id from deliveries
        where state = 'pending' and next_attempt_at <= ${instant(now)}
          and (lease_until is null or lease_until <= ${instant(now)})
        group by app_id order by min(next_attempt_at)`)
      return rows.map(({ app_id }) => app_id)
    },
  }
}
