// The outbox: endpoints, deliveries claimed by lease, and every attempt at one.
import { and, eq, sql } from 'drizzle-orm'
import type { Attempt, DeliveriesDb, Delivery } from '../core/ports/deliveries.ts'
import type { Vault } from '../core/ports/sealed.ts'
import { appsWithDue } from './apps-due.ts'
import type { Database } from './connect.ts'
import { type Row, readRow } from './row.ts'
import { attempts, deliveries, webhookEndpoints } from './schema.ts'
import { chain, instant, json, recordEvent } from './transition.ts'

function toDelivery(row: Row): Delivery {
  const { deliveryId: id, ...delivery } = readRow(deliveries, row)
  return { ...delivery, id }
}

function toAttempt(row: Row): Attempt {
  const { at, status, latencyMs, reason } = readRow(attempts, row)
  return { at, status, latencyMs, reason }
}

/** Literals, because a parameter would not match the partial index of a state. */
const IN_STATE = { pending: sql`state = 'pending'`, running: sql`state = 'running'` }

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

    // The lease outlives the longest attempt. If a worker dies, another one claims the delivery after it.
    async claim(appId, state, now, leaseUntil, limit) {
      // `due` stands in a `with`, because a subquery may run once for each row, and then the limit does not hold.
      const rows = await database.execute<Row>(sql`
        with due as (
          select delivery_id from deliveries
          where app_id = ${appId} and ${IN_STATE[state]} and next_attempt_at <= ${instant(now)}
            and (lease_until is null or lease_until <= ${instant(now)})
          order by next_attempt_at limit ${limit} for update skip locked)
        update deliveries set lease_until = ${instant(leaseUntil)}, attempt_count = attempt_count + 1
        where app_id = ${appId} and delivery_id in (select delivery_id from due)
        returning *`)
      return rows.map(toDelivery)
    },

    // Guarded by the attempt number: a worker that lost its lease changes nothing and sends no event.
    async record(delivery, attempt, next, event) {
      const { appId, id, attemptCount, uploadId } = delivery
      const attempted = attempt
        ? sql`attempted as (
            insert into attempts (app_id, delivery_id, attempt_number, at, status, latency_ms, reason)
            values (${appId}, ${id}, ${attemptCount}, ${instant(attempt.at)},
              ${attempt.status ?? null}, ${attempt.latencyMs}, ${attempt.reason ?? null})
            on conflict do nothing),`
        : sql``
      const changed = event
        ? sql`, changed as (
            update uploads set revision = revision + 1, ${chain(event)}
            where app_id = ${appId} and upload_id = ${uploadId} and exists (select from recorded)
            returning *)
          ${recordEvent(event)}`
        : sql``
      const rows = await database.execute(sql`
        with ${attempted}
        recorded as (
          update deliveries set state = ${next.state}, next_attempt_at = ${instant(next.at)},
            progress = ${json(next.progress)}, lease_until = null,
            scheduled_attempts = ${delivery.scheduledAttempts + (attempt ? 1 : 0)}
          where app_id = ${appId} and delivery_id = ${id}
            and attempt_count = ${attemptCount} and state in ('pending', 'running')
          returning 1)
        ${changed}
        select 1 from recorded`)
      return rows.length === 1
    },

    async list(appId, of, { limit, cursor }) {
      const rows = await database.execute<Row & { attempts: Row[] | null }>(sql`
        select d.*, (
          select jsonb_agg(to_jsonb(t) order by t.attempt_number) from attempts t
          where t.app_id = ${appId} and t.delivery_id = d.delivery_id) as attempts
        from deliveries d
        where d.app_id = ${appId}
          and ${'uploadId' in of ? sql`d.upload_id = ${of.uploadId}` : sql`d.endpoint_id = ${of.endpointId}`}
          ${cursor ? sql`and d.delivery_id < ${cursor}` : sql``}
        order by d.delivery_id desc limit ${limit}`)
      return rows.map((row) => ({
        ...toDelivery(row),
        attempts: (row.attempts ?? []).map(toAttempt),
      }))
    },

    async replay(appId, id, now) {
      const found = await database.execute(sql`
        with replayed as (
          update deliveries set state = 'pending', next_attempt_at = ${instant(now)},
            lease_until = null, scheduled_attempts = 0, progress = null
          where app_id = ${appId} and delivery_id = ${id} and state <> 'running')
        select 1 from deliveries where app_id = ${appId} and delivery_id = ${id}`)
      return found.length === 1
    },

    appsWithDue: (state, now) => appsWithDue(database, [state], now),
  }
}
