// Migrations of existing data: they only go forward, and no row changes its meaning.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import { expect, it } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import { migrate } from '../../src/db/migrate.ts'
import { emptyDatabase } from '../support/postgres.ts'

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url))

/** Copies the migrations up to, but not including, the one with this name. */
async function migrationsBefore(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-migrations-'))
  await cp(MIGRATIONS, folder, { recursive: true })
  const path = join(folder, 'meta/_journal.json')
  const journal = JSON.parse(await readFile(path, 'utf8'))
  const end = journal.entries.findIndex(({ tag }: { tag: string }) => tag.endsWith(name))
  expect(end).toBeGreaterThan(0)
  await writeFile(path, JSON.stringify({ ...journal, entries: journal.entries.slice(0, end) }))
  return folder
}

it.each([
  'channel_binding=require',
  'sslmode=disable&channel_binding=require',
  'channel_binding=require&sslmode=disable',
])('takes the URL of a managed database, with %s', async (parameters) => {
  const fresh = await emptyDatabase()
  const url = `${fresh.url}${fresh.url.includes('?') ? '&' : '?'}${parameters}`

  await migrate(url)
  const { database, close } = connect(url, { maxConnections: 1 })

  expect(await database.execute('select from uploads')).toHaveLength(0)
  await close()
  await fresh.drop()
})

it('the event log is cut into months with every row as it was', async () => {
  const fresh = await emptyDatabase()
  const sql = postgres(fresh.url, { max: 1, onnotice: () => {} })
  const before = await migrationsBefore('event_months')
  await applyMigrations(drizzle(sql), { migrationsFolder: before })
  await sql`insert into apps values ('app_1', 'one', 'one', '[]', now())`
  await sql`
    insert into uploads (app_id, upload_id, subject, credential, policy_name, policy, state, method, store,
      object_key, filename, content_type, part_size_bytes, reserved_bytes, created_at, active_at, expires_at, sweep_at)
    select 'app_1', 'upl_' || n, 'ada', 'api-key', 'default', '{}', 'open', 'multipart', 'default',
      'k', 'f', 't', 1, 1, now(), now(), now(), now() from generate_series(1, 30) n`
  await sql`
    insert into upload_events
    select 'app_1', 'upl_' || n, r, 'evt_' || n || r, 'upload.created', now() - n * interval '20 days', 'body ' || n, md5(n || ' ' || r)
    from generate_series(1, 30) n, generate_series(1, 2) r`
  const log = () => sql`select * from upload_events order by upload_id, revision`
  const rows = [...(await log())]

  await migrate(fresh.url)

  expect([...(await log())]).toEqual(rows)
  expect(rows).toHaveLength(60)
  expect([...(await sql`select * from upload_events_default`)]).toEqual([])
  const places = await sql`select distinct tableoid::regclass::text as place from upload_events`
  expect(places.length).toBeGreaterThan(15)
  await sql.end()
  await rm(before, { recursive: true, force: true })
  await fresh.drop()
})

it('a subject whose sessions have ended has no open uploads, also where their storage is not released', async () => {
  const fresh = await emptyDatabase()
  const sql = postgres(fresh.url, { max: 1, onnotice: () => {} })
  const before = await migrationsBefore('reach_and_slots')
  await applyMigrations(drizzle(sql), { migrationsFolder: before })
  await sql`insert into apps values ('app_1', 'one', 'one', '[]', now()), ('app_2', 'two', 'two', '[]', now())`
  await sql`
    insert into uploads (app_id, upload_id, subject, credential, policy_name, policy, state, method, store,
      object_key, filename, content_type, part_size_bytes, reserved_bytes, created_at, active_at, expires_at, sweep_at)
    select 'app_1', 'upl_' || state, 'ada', 'api-key', 'default', '{}', state, 'multipart', 'default',
      'k', 'f', 't', 1, 10, now(), now(), now(), now()
    from unnest(array['initiating', 'open', 'completing', 'aborted', 'expired', 'failed']) state`
  await sql`
    insert into usage (app_id, subject, open_uploads, reserved_bytes, settled_bytes, day, day_bytes)
    values ('app_1', 'ada', 6, 60, 7, '2026-01-01', 60), ('app_2', 'ada', 0, 0, 3, '2026-01-01', 3)`

  await migrate(fresh.url)

  const counted = await sql`
    select app_id, open_uploads, reserved_bytes::int, settled_bytes::int from usage order by app_id`
  expect([...counted]).toEqual([
    { app_id: 'app_1', open_uploads: 3, reserved_bytes: 60, settled_bytes: 7 },
    { app_id: 'app_2', open_uploads: 0, reserved_bytes: 0, settled_bytes: 3 },
  ])
  await sql.end()
  await rm(before, { recursive: true, force: true })
  await fresh.drop()
})

it('what an attempt declares leaves the checksum that binds its session, and checked parts name their algorithm', async () => {
  const fresh = await emptyDatabase()
  const sql = postgres(fresh.url, { max: 1, onnotice: () => {} })
  const before = await migrationsBefore('attempt_declared')
  await applyMigrations(drizzle(sql), { migrationsFolder: before })
  await sql`insert into apps values ('app_1', 'one', 'one', '[]', now())`
  const prior = (checksum: string | null) => ({ sizeBytes: null, checksum, attempt: 2 })
  const rows = [
    ['bound', 'open', 'crc64:1', null, null],
    ['attempted', 'completing', 'crc64:2', 7, prior(null)],
    ['both', 'completing', 'crc64:3', null, prior('crc64:3')],
    ['silent', 'completing', null, null, prior(null)],
    ['failed', 'failed', 'crc64:4', 0, prior(null)],
    ['done', 'completed', 'crc64:5', 7, null],
  ] as const
  for (const [id, state, checksum, size, declared] of rows) {
    await sql`
      insert into uploads (app_id, upload_id, subject, credential, policy_name, policy, state, method, store,
        object_key, filename, content_type, part_size_bytes, reserved_bytes, created_at, active_at, expires_at, sweep_at,
        checksum, final_size_bytes, prior_declared, checked_crc64)
      values ('app_1', ${id}, 'ada', 'api-key', 'default', '{}', ${state}, 'multipart', 'default',
        'k', 'f', 't', 1, 10, now(), now(), now(), now(), ${checksum}, ${size}, ${declared && JSON.stringify(declared)}, array['10', '9'])`
  }

  await migrate(fresh.url)

  const moved =
    await sql`select upload_id, checksum, attempt_declared, checked_checksums from uploads`
  const byId = Object.fromEntries(
    moved.map(({ upload_id, checksum, attempt_declared }) => [
      upload_id,
      [checksum, attempt_declared],
    ]),
  )
  expect(byId).toEqual({
    bound: ['crc64:1', null],
    attempted: [null, { sizeBytes: 7, checksum: 'crc64:2', attempt: 2 }],
    both: ['crc64:3', { checksum: 'crc64:3', attempt: 2 }],
    silent: [null, { attempt: 2 }],
    failed: [null, { sizeBytes: 0, checksum: 'crc64:4', attempt: 2 }],
    done: ['crc64:5', null],
  })
  const checked = moved.filter(({ upload_id }) => upload_id === 'bound' || upload_id === 'both')
  for (const row of checked) expect(row.checked_checksums).toEqual(['crc64:10', 'crc64:9'])
  await sql.end()
  await rm(before, { recursive: true, force: true })
  await fresh.drop()
})

it('issuers keep their subjects, and the operator learns which of them share subjects', async () => {
  const fresh = await emptyDatabase()
  const sql = postgres(fresh.url, { max: 1, onnotice: () => {} })
  const before = await migrationsBefore('subject_prefixes')
  await applyMigrations(drizzle(sql), { migrationsFolder: before })
  await sql`
    insert into apps select 'app_' || n, 'one', 'prefix_' || n, '[]', now() from generate_series(1, 3) n`
  const issuer = (app: string, id: string, url: string) => sql`
    insert into issuers (app_id, issuer_id, issuer, audience, jwks_url, algorithms, policies, subject_claim, created_at)
    values (${app}, ${id}, ${url}, ${app}, ${url}, '["ES256"]', '["default"]', 'sub', now())`
  await issuer('app_1', 'iss_1', 'https://one.example')
  await issuer('app_1', 'iss_2', 'https://two.example')
  await issuer('app_2', 'iss_3', 'https://one.example')
  await issuer('app_3', 'iss_4', 'https://GitLab.com/')

  const warnings: string[] = []
  await migrate(fresh.url, (warning) => void warnings.push(warning))
  await migrate(fresh.url, (warning) => void warnings.push(warning))

  expect(warnings).toEqual([
    'The app app_1 has several issuers, whose equal subjects are one owner: iss_1 (https://one.example), iss_2 (https://two.example). See docs/security.md.',
    'The issuer iss_4 (https://GitLab.com/) of the app app_3 is shared by everybody and has no claims. See docs/security.md.',
  ])
  const rows = await sql`select distinct subject_prefix as prefix, claims from issuers`
  expect([...rows]).toEqual([{ prefix: '', claims: null }])
  await sql.end()
  await rm(before, { recursive: true, force: true })
  await fresh.drop()
})
