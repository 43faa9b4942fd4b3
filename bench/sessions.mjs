// How the hot queries of sessions grow with their number: seeds 10 k, 100 k and 1 M sessions (or the counts given as
// arguments) into a database each, and asks them in turn through the service's own code. Needs `npm run build`.
// Uses the embedded PostgreSQL, or the server of DATABASE_URL, whose role may create databases.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { connect } from '../dist/db/connect.js'
import { eventLogDb } from '../dist/db/event-log.js'
import { migrate } from '../dist/db/migrate.js'
import { retentionDb } from '../dist/db/retention.js'
import { uploadsDb } from '../dist/db/uploads.js'
import { startEmbeddedPostgres } from '../dist/embedded/postgres/index.js'

const COUNTS = process.argv.slice(2).map(Number)
if (!COUNTS.length) COUNTS.push(10_000, 100_000, 1_000_000)
const ROUNDS = 300
const WARM_UP = 50
const APPS = 100
const SESSIONS_PER_SUBJECT = 100
/** Sessions whose time has come, as many for each size: what a sweep finds in a minute. */
const DUE = 20
/** Design §11: from 10 k to 1 M sessions. */
const BUDGET = 2
const DAY_MS = 86_400_000

const now = new Date()
const began = new Date(now.getTime() - 60 * DAY_MS)

// Half of the sessions are one app's. One in twenty is open, the others have completed; ids are in the order of time.
const seedUploads = (count) => `
  insert into uploads (app_id, upload_id, subject, credential, policy_name, policy, state, method, store,
    object_key, filename, content_type, size_bytes, part_size_bytes, part_count, reserved_bytes, metadata,
    storage_upload_id, created_at, active_at, expires_at, ended_at, storage_released_at, sweep_at, object,
    revision, log_hash)
  select app_id, upload_id, subject, 'api-key', 'default', '{}', case when is_open then 'open' else 'completed' end,
    'multipart', 'default', app_id || '/' || subject || '/' || upload_id || '/holiday.mp4', 'holiday.mp4',
    'video/mp4', 73400320, 10485760, 7, 73400320, '{"album": "summer"}', md5(upload_id), at, at,
    at + interval '7 days', case when not is_open then at end, case when not is_open then at end,
    case when n <= ${DUE} * 40 and is_open and app_id = 'app_000' then timestamptz '${now.toISOString()}' - interval '1 minute'
      else timestamptz '${now.toISOString()}' + interval '1 day' end,
    case when not is_open then '{"etag": "x", "sizeBytes": 73400320}'::jsonb end, 2, md5(upload_id) || md5(upload_id)
  from (
    select n, case when n % 2 = 0 then 'app_000' else 'app_' || lpad((n / 2 % ${APPS})::text, 3, '0') end as app_id,
      'subject-' || n / 2 % greatest(1, ${count} / ${SESSIONS_PER_SUBJECT}) as subject, n / 2 % 20 = 0 as is_open,
      'upl_' || lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 19) as upload_id, at
    from (
      select n, timestamptz '${began.toISOString()}' + n * interval '60 days' / ${count} as at
      from generate_series(1, ${count}) n) moments) sessions`

const SEED_EVENTS = `
  insert into upload_events (app_id, upload_id, revision, event_id, type, at, body, hash)
  select app_id, upload_id, revision + later, 'evt_' || substr(upload_id, 5), type, created_at,
    repeat('x', 600), log_hash
  from uploads cross join (values (0, 'upload.created'), (1, 'upload.completed')) event (later, type)`
const SEED_DELIVERIES = `
  insert into deliveries (app_id, delivery_id, event_id, upload_id, endpoint_id, type, body, state, attempt_count, created_at)
  select app_id, 'dlv_' || substr(upload_id, 5), 'evt_' || substr(upload_id, 5), upload_id, 'whe_1', 'upload.completed',
    repeat('x', 600), 'delivered', 1, created_at from uploads where state = 'completed'`

async function seed(url, count) {
  await migrate(url)
  const sql = postgres(url, { max: 2, onnotice: () => {} })
  const since = performance.now()
  await sql.unsafe(
    `insert into apps select 'app_' || lpad(n::text, 3, '0'), n, n, '[]', now() from generate_series(0, ${APPS - 1}) n`,
  )
  await sql.unsafe(
    `insert into webhook_endpoints select app_id, 'whe_1', 'https://a.example', null, 'x', now() from apps`,
  )
  const { database, close } = connect(url, { maxConnections: 4 })
  const log = eventLogDb(database)
  for (let month = 0; month <= 2; month++) {
    const start = new Date(Date.UTC(began.getUTCFullYear(), began.getUTCMonth() + month, 1))
    await log.addMonth(start.toISOString().slice(0, 7), [])
  }
  await sql.unsafe(seedUploads(count))
  await Promise.all([sql.unsafe(SEED_EVENTS), sql.unsafe(SEED_DELIVERIES)])
  await sql.unsafe('vacuum analyze')
  const seconds = (performance.now() - since) / 1000
  const ids =
    await sql`select upload_id from uploads where app_id = 'app_000' order by md5(upload_id) limit ${ROUNDS + WARM_UP}`
  const sizes = await sql`
    select coalesce(parent.relname, child.relname) as name, sum(pg_total_relation_size(child.oid))::bigint as bytes
    from pg_class child left join pg_inherits on inhrelid = child.oid left join pg_class parent on parent.oid = inhparent
    where child.relnamespace = 'public'::regnamespace and child.relkind = 'r'
    group by 1 having sum(pg_total_relation_size(child.oid)) > 1000000 order by 2 desc`
  await sql.end()
  return { count, seconds, sizes, ids: ids.map((row) => row.upload_id), database, close }
}

/** What is asked, with what the service asks it with. */
const QUERIES = {
  'by id': ({ uploads, ids }, round) => uploads.find('app_000', ids[round]),
  'open sessions of a subject': ({ uploads, count }, round) =>
    uploads.list('app_000', {
      subject: `subject-${(round * 20) % Math.max(1, count / SESSIONS_PER_SUBJECT)}`,
      state: 'open',
      limit: 50,
    }),
  'sessions due: which apps': ({ uploads }) => uploads.appsWithDueWork(now),
  // Put off to a moment that is still due, so that each round finds the same.
  'sessions due: the claim': ({ uploads }) =>
    uploads.claimDue('app_000', now, new Date(now.getTime() - 30_000), DUE),
  'retention: a batch of none': ({ retention }) =>
    retention.sessions('app_000', new Date(began.getTime() - DAY_MS), 500),
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** All sizes in turn, round by round, so that a busy moment of the machine falls on each of them. */
async function measure(seeded) {
  const sides = seeded.map((one) => ({
    ...one,
    uploads: uploadsDb(one.database),
    retention: retentionDb(one.database),
  }))
  const times = Object.fromEntries(Object.keys(QUERIES).map((name) => [name, sides.map(() => [])]))
  for (let round = 0; round < ROUNDS + WARM_UP; round++) {
    for (const [name, ask] of Object.entries(QUERIES)) {
      for (const [index, side] of sides.entries()) {
        const since = performance.now()
        await ask(side, round)
        if (round >= WARM_UP) times[name][index].push(performance.now() - since)
      }
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, each]) => [name, each.map(median)]))
}

const table = (rows) => rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')

function report(seeded, medians) {
  const head = ['median, ms', ...COUNTS.map((count) => count.toLocaleString('en')), 'ratio']
  const rows = Object.entries(medians).map(([name, each]) => [
    name,
    ...each.map((value) => value.toFixed(2)),
    (each.at(-1) / each[0]).toFixed(2),
  ])
  console.log(`${table([head, head.map(() => '---'), ...rows])}\n`)
  const largest = seeded.at(-1)
  const perSession = largest.sizes.map(({ name, bytes }) => [
    name,
    Math.round(Number(bytes) / largest.count),
  ])
  const sizeHead = ['table, with its indexes', 'bytes a session']
  console.log(`${table([sizeHead, ['---', '---'], ...perSession])}\n`)
  for (const { count, seconds } of seeded)
    console.log(`${count} sessions seeded in ${seconds.toFixed(1)} s`)
  const over = rows.filter((cells) => Number(cells.at(-1)) > BUDGET)
  if (over.length)
    console.log(`Over the budget of ${BUDGET} ×: ${over.map(([name]) => name).join(', ')}`)
  process.exitCode = over.length ? 1 : 0
}

async function server() {
  if (process.env.DATABASE_URL) return { url: process.env.DATABASE_URL, stop: async () => {} }
  const directory = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  const embedded = await startEmbeddedPostgres({
    directory,
    log: () => {},
    // Seeding is not to be held up by checkpoints.
    settings: { max_wal_size: '8GB' },
  })
  return {
    url: embedded.url,
    async stop() {
      await embedded.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const { url, stop } = await server()
const admin = postgres(url, { max: 1, onnotice: () => {} })
const names = COUNTS.map((count) => `countersign_bench_${count}`)
const seeded = []
try {
  const [{ version }] = await admin`select current_setting('server_version') as version`
  console.log(`PostgreSQL ${version}, Node ${process.version}, ${ROUNDS} rounds\n`)
  for (const [index, name] of names.entries()) {
    await admin.unsafe(`drop database if exists ${name} with (force)`)
    await admin.unsafe(`create database ${name}`)
    const target = new URL(url)
    target.pathname = `/${name}`
    seeded.push(await seed(target.href, COUNTS[index]))
  }
  report(seeded, await measure(seeded))
} finally {
  for (const { close } of seeded) await close()
  for (const name of names) await admin.unsafe(`drop database if exists ${name} with (force)`)
  await admin.end()
  await stop()
}
