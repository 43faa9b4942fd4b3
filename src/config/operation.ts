// The variables of one process among many: connections, time-outs, drain, retention.
import { z } from 'zod'
import { flag } from './values.ts'

/** A load balancer that asks every other second takes the process out in this time. */
const DRAIN_SECONDS = 5
const RETENTION_DAYS = 90
/** People still look into younger rows: a delivery alone is retried for more than three days. */
const MIN_RETENTION_DAYS = 14

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)

const days = z.coerce
  .number()
  .int()
  .max(36_500)
  .refine(
    (count) => count === 0 || count >= MIN_RETENTION_DAYS,
    `must be 0 (for ever) or at least ${MIN_RETENTION_DAYS}`,
  )

export const operationVariables = {
  DATABASE_POOL_SIZE: whole(1, 200)
    .default(10)
    .describe('Node: most connections to the database that a process has open'),
  DATABASE_STATEMENT_MS: whole(100, 600_000)
    .default(20_000)
    .describe(
      'Node: a statement is ended after so many milliseconds (half as many where it waits for a lock), and the request answered 503',
    ),
  DATABASE_WAIT_MS: whole(100, 600_000)
    .default(5_000)
    .describe(
      'Node: where all connections are in use, a request waits so many milliseconds for one, and is then answered 503',
    ),
  DATABASE_PREPARE: flag
    .default(true)
    .describe(
      'Prepare each statement once on a connection. Set false behind a pooler in transaction mode that cannot follow them, such as PgBouncer before 1.21',
    ),
  DRAIN_SECONDS: whole(0, 300)
    .optional()
    .describe(
      'Node: after SIGTERM /readyz answers 503 so long before the port is closed; default 5, in embedded mode 0',
    ),
  RETENTION_DAYS: days
    .default(RETENTION_DAYS)
    .describe(
      'Days that sessions, with their callbacks, and grants are kept after their end; 0: for ever',
    ),
  RETENTION_DELIVERIES_DAYS: days
    .optional()
    .describe(
      'Days that deliveries, with their attempts, are kept after the last attempt; default RETENTION_DAYS',
    ),
  RETENTION_EVENTS_DAYS: days
    .optional()
    .describe(
      'Days that the event log is kept, rounded up to whole months; default RETENTION_DAYS',
    ),
}

type Environment = z.infer<z.ZodObject<typeof operationVariables>>

export function operationOf(env: Environment, embedded: boolean) {
  const daysOf = (given = env.RETENTION_DAYS) => given || undefined
  return {
    databasePoolSize: env.DATABASE_POOL_SIZE,
    databaseStatementMs: env.DATABASE_STATEMENT_MS,
    databaseWaitMs: env.DATABASE_WAIT_MS,
    databasePrepare: env.DATABASE_PREPARE,
    drainSeconds: env.DRAIN_SECONDS ?? (embedded ? 0 : DRAIN_SECONDS),
    retention: {
      sessionDays: daysOf(),
      deliveryDays: daysOf(env.RETENTION_DELIVERIES_DAYS),
      eventDays: daysOf(env.RETENTION_EVENTS_DAYS),
    },
  }
}
