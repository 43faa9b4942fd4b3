// The tables, for drizzle. Every table carries app_id first in its key, so that tenants can be distributed unchanged.
// The statements that create them are in migrations/; an integration test compares the two.
import { sql } from 'drizzle-orm'
import {
  boolean,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import type { ClaimConditions } from '../core/claims.ts'
import type { Policy } from '../core/policy.ts'
import type { ProcessingTask } from '../core/processing.ts'
import type {
  AttemptDeclaration,
  CompletedObject,
  CredentialKind,
  UploadMethod,
  UploadState,
} from '../core/upload-session.ts'
import { appId, at, bytes } from './schema/tenant.ts'

export * from './schema/outbox.ts'
export { readiness } from './schema/readiness.ts'
export { storageScans } from './schema/scans.ts'
export { apps } from './schema/tenant.ts'

export const apiKeys = pgTable(
  'api_keys',
  {
    appId: appId(),
    keyId: text('key_id').notNull(),
    hash: text('hash').notNull(),
    createdAt: at('created_at').notNull(),
    revokedAt: at('revoked_at'),
  },
  (table) => [
    primaryKey({ columns: [table.appId, table.keyId] }),
    uniqueIndex('api_keys_hash').on(table.appId, table.hash),
  ],
)

export const issuers = pgTable(
  'issuers',
  {
    appId: appId(),
    issuerId: text('issuer_id').notNull(),
    issuer: text('issuer').notNull(),
    audience: text('audience').notNull(),
    jwksUrl: text('jwks_url'),
    publicKeys: jsonb('public_keys').$type<Record<string, unknown>[]>(),
    encryptedSecret: text('encrypted_secret'),
    algorithms: jsonb('algorithms').$type<string[]>().notNull(),
    policies: jsonb('policies').$type<string[]>().notNull(),
    subjectClaim: text('subject_claim').notNull(),
    subjectPrefix: text('subject_prefix').notNull(),
    policyClaim: text('policy_claim'),
    claims: jsonb('claims').$type<ClaimConditions>(),
    createdAt: at('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.appId, table.issuerId] }),
    uniqueIndex('issuers_issuer_audience').on(table.appId, table.issuer, table.audience),
    index('issuers_by_issuer').on(table.issuer, table.audience),
  ],
)

export const policies = pgTable(
  'policies',
  {
    appId: appId(),
    name: text('name').notNull(),
    document: jsonb('document').$type<Policy>().notNull(),
    updatedAt: at('updated_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.appId, table.name] })],
)

export const grants = pgTable(
  'grants',
  {
    appId: appId(),
    grantId: text('grant_id').notNull(),
    subject: text('subject').notNull(),
    policy: text('policy').notNull(),
    use: text('use').notNull(),
    completion: text('completion'),
    reach: text('reach'),
    maxUploads: integer('max_uploads'),
    maxBytes: bytes('max_bytes'),
    usedUploads: integer('used_uploads').notNull().default(0),
    usedBytes: bytes('used_bytes').notNull().default(0),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    revokedAt: at('revoked_at'),
  },
  (table) => [primaryKey({ columns: [table.appId, table.grantId] })],
)

export const uploads = pgTable(
  'uploads',
  {
    appId: appId(),
    uploadId: text('upload_id').notNull(),
    subject: text('subject').notNull(),
    credential: text('credential').$type<CredentialKind>().notNull(),
    grantId: text('grant_id'),
    issuerId: text('issuer_id'),
    issuerSubject: text('issuer_subject'),
    policyName: text('policy_name').notNull(),
    policy: jsonb('policy').$type<Policy>().notNull(),
    state: text('state').$type<UploadState>().notNull(),
    method: text('method').$type<UploadMethod>().notNull(),
    store: text('store').notNull(),
    objectKey: text('object_key').notNull(),
    filename: text('filename').notNull(),
    contentType: text('content_type').notNull(),
    sizeBytes: bytes('size_bytes'),
    partSizeBytes: bytes('part_size_bytes').notNull(),
    partCount: integer('part_count'),
    maxPartCount: integer('max_part_count'),
    reservedBytes: bytes('reserved_bytes').notNull(),
    fingerprint: text('fingerprint'),
    checksum: text('checksum'),
    metadata: jsonb('metadata').$type<Record<string, string>>(),
    processing: jsonb('processing').$type<ProcessingTask[]>(),
    storageUploadId: text('storage_upload_id'),
    generation: integer('generation').notNull().default(1),
    createdAt: at('created_at').notNull(),
    activeAt: at('active_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    leaseUntil: at('lease_until'),
    attempt: integer('attempt').notNull().default(0),
    attemptAt: at('attempt_at'),
    priorAttemptAt: at('prior_attempt_at'),
    /** Null while the session is open. One that fails keeps it: an object of that size may be its own. */
    attemptDeclared: jsonb('attempt_declared').$type<AttemptDeclaration>(),
    missingSince: at('missing_since'),
    direct: boolean('direct').notNull().default(false),
    checkedChecksums: text('checked_checksums').array(),
    leftoversAt: at('leftovers_at'),
    endedAt: at('ended_at'),
    storageReleasedAt: at('storage_released_at'),
    sweepAt: at('sweep_at').notNull(),
    object: jsonb('object').$type<CompletedObject>(),
    failure: text('failure'),
    revision: integer('revision').notNull().default(0),
    logHash: text('log_hash').notNull().default(''),
  },
  (table) => [
    primaryKey({ columns: [table.appId, table.uploadId] }),
    // Unfinished sessions of a subject.
    index('uploads_unfinished')
      .on(table.appId, table.subject, table.uploadId)
      .where(sql`state in ('initiating', 'open', 'completing')`),
    // Unfinished sessions of a file, to resume on any device.
    index('uploads_by_fingerprint')
      .on(table.appId, table.fingerprint, table.subject, table.uploadId)
      .where(sql`state in ('initiating', 'open', 'completing') and fingerprint is not null`),
    // Unfinished sessions of the key that a store's notification names.
    index('uploads_by_key')
      .on(table.appId, table.objectKey)
      .where(sql`state in ('initiating', 'open', 'completing')`),
    // Sessions that a grant created: to list them, and to abort them with it.
    index('uploads_by_grant')
      .on(table.appId, table.grantId, table.uploadId)
      .where(sql`grant_id is not null`),
    // Lists of an app and of a subject, newest first.
    index('uploads_by_subject').on(table.appId, table.subject, table.uploadId),
    // Sessions for the sweep: storage not released, or leftovers under the key; by the time they are due.
    index('uploads_due')
      .on(table.appId, table.sweepAt)
      .where(sql`storage_released_at is null or leftovers_at is not null`),
    // Owners of listed storage uploads, so that the sweep never aborts or counts one of a live session.
    index('uploads_by_storage_upload')
      .on(table.appId, table.storageUploadId)
      .where(sql`storage_upload_id is not null and storage_released_at is null`),
  ],
)

/** The session that each Idempotency-Key created or resumed. Keys are separate by subject and kind of credential. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    appId: appId(),
    subject: text('subject').notNull(),
    credential: text('credential').notNull(),
    idempotencyKey: text('idempotency_key').notNull(),
    uploadId: text('upload_id').notNull(),
    requestHash: text('request_hash').notNull(),
    createdAt: at('created_at').notNull(),
  },
  (table) => [
    primaryKey({
      columns: [table.appId, table.subject, table.credential, table.idempotencyKey],
    }),
    // Expired keys.
    index('idempotency_keys_by_age').on(table.appId, table.createdAt),
  ],
)

/**
 * The log, partitioned by month of `at` (docs/decisions/0004-event-log.md). It has no foreign keys, so that a month can be dropped
 * alone. The statement that changes a session also writes its event.
 */
export const uploadEvents = pgTable(
  'upload_events',
  {
    appId: text('app_id').notNull(),
    uploadId: text('upload_id').notNull(),
    revision: integer('revision').notNull(),
    eventId: text('event_id').notNull(),
    type: text('type').notNull(),
    at: at('at').notNull(),
    body: text('body').notNull(),
    hash: text('hash').notNull(),
  },
  (table) => [
    // A partitioned table's key must hold `at`. The session's row lock keeps a revision unique.
    primaryKey({ columns: [table.appId, table.uploadId, table.revision, table.at] }),
  ],
)

export const usage = pgTable(
  'usage',
  {
    appId: appId(),
    subject: text('subject').notNull(),
    openUploads: integer('open_uploads').notNull(),
    reservedBytes: bytes('reserved_bytes').notNull(),
    settledBytes: bytes('settled_bytes').notNull(),
    day: text('day').notNull(),
    dayBytes: bytes('day_bytes').notNull(),
  },
  (table) => [primaryKey({ columns: [table.appId, table.subject] })],
)

export const callbacks = pgTable(
  'callbacks',
  {
    appId: appId(),
    uploadId: text('upload_id').notNull(),
    requestId: text('request_id').notNull(),
    store: text('store').notNull(),
    body: jsonb('body').$type<Record<string, string>>().notNull(),
    receivedAt: at('received_at').notNull(),
    processedAt: at('processed_at'),
    outcome: text('outcome'),
  },
  (table) => [
    primaryKey({ columns: [table.appId, table.uploadId, table.requestId] }),
    foreignKey({
      columns: [table.appId, table.uploadId],
      foreignColumns: [uploads.appId, uploads.uploadId],
    }),
    // Callbacks for the sweep.
    index('callbacks_unprocessed')
      .on(table.appId, table.receivedAt)
      .where(sql`processed_at is null`),
  ],
)
