// The outbox: webhook endpoints, deliveries to them and to processing targets, and every attempt.
import { sql } from 'drizzle-orm'
import {
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import type { DeliveryState, Progress, TargetName } from '../../core/ports/deliveries.ts'
import { appId, at } from './tenant.ts'

export const webhookEndpoints = pgTable(
  'webhook_endpoints',
  {
    appId: appId(),
    endpointId: text('endpoint_id').notNull(),
    url: text('url').notNull(),
    events: jsonb('events').$type<string[]>(),
    encryptedSecret: text('encrypted_secret').notNull(),
    createdAt: at('created_at').notNull(),
    disabledAt: at('disabled_at'),
  },
  (table) => [primaryKey({ columns: [table.appId, table.endpointId] })],
)

export const deliveries = pgTable(
  'deliveries',
  {
    appId: appId(),
    deliveryId: text('delivery_id').notNull(),
    eventId: text('event_id').notNull(),
    uploadId: text('upload_id').notNull(),
    target: text('target').$type<TargetName>().notNull().default('webhook'),
    endpointId: text('endpoint_id'),
    rule: integer('rule'),
    type: text('type').notNull(),
    body: text('body').notNull(),
    state: text('state').$type<DeliveryState>().notNull(),
    progress: jsonb('progress').$type<Progress>(),
    attemptCount: integer('attempt_count').notNull().default(0),
    scheduledAttempts: integer('scheduled_attempts').notNull().default(0),
    nextAttemptAt: at('next_attempt_at'),
    leaseUntil: at('lease_until'),
    createdAt: at('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.appId, table.deliveryId] }),
    foreignKey({
      columns: [table.appId, table.endpointId],
      foreignColumns: [webhookEndpoints.appId, webhookEndpoints.endpointId],
    }),
    // One delivery of an event to an endpoint.
    uniqueIndex('deliveries_once').on(table.appId, table.endpointId, table.eventId),
    // One delivery of an upload to each of its policy's processing rules.
    uniqueIndex('deliveries_rule_once')
      .on(table.appId, table.uploadId, table.rule)
      .where(sql`rule is not null`),
    // A webhook has an endpoint and no rule; processing has a rule and no endpoint.
    check(
      'deliveries_one_target',
      sql`(target = 'webhook') = (endpoint_id is not null) and (endpoint_id is null) = (rule is not null)`,
    ),
    // Due deliveries, oldest first.
    index('deliveries_due').on(table.appId, table.nextAttemptAt).where(sql`state = 'pending'`),
    // Tasks that the sweep polls.
    index('deliveries_running').on(table.appId, table.nextAttemptAt).where(sql`state = 'running'`),
    // Deliveries of an upload, newest first.
    index('deliveries_by_upload').on(table.appId, table.uploadId, table.deliveryId),
    // Deliveries of an endpoint, newest first.
    index('deliveries_by_endpoint').on(table.appId, table.endpointId, table.deliveryId),
  ],
)

export const attempts = pgTable(
  'attempts',
  {
    appId: appId(),
    deliveryId: text('delivery_id').notNull(),
    attemptNumber: integer('attempt_number').notNull(),
    at: at('at').notNull(),
    status: integer('status'),
    latencyMs: integer('latency_ms').notNull(),
    reason: text('reason'),
  },
  (table) => [
    primaryKey({ columns: [table.appId, table.deliveryId, table.attemptNumber] }),
    foreignKey({
      columns: [table.appId, table.deliveryId],
      foreignColumns: [deliveries.appId, deliveries.deliveryId],
    }),
  ],
)
