// Finding a file's unfinished upload again, among any number of ended ones, through an index.
import { type SQL, sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UploadFilter } from '../../src/core/ports/uploads.ts'
import { connect, type Database } from '../../src/db/connect.ts'
import { uploadsDb } from '../../src/db/uploads.ts'
import { type Harness, startHarness } from '../support/harness.ts'
import { query } from '../support/invariants.ts'

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
  app = await harness.createApp({})
})
afterAll(() => harness.stop())

const create = (body: Record<string, unknown> = {}) =>
  harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: 10,
    fingerprint: 'f',
    ...body,
  })
const list = (more: string) => harness.call('GET', `/v1/uploads?${more}`, app.apiKey)
const ids = ({ body }: { body: Record<string, any> }) =>
  body.uploads.map(({ id }: { id: string }) => id)

describe('an unfinished upload of a file', () => {
  it('is resumed and listed behind newer ones of the same file that have ended', async () => {
    const { body: first } = await create()
    for (let count = 0; count < 21; count++) {
      const { body } = await create()
      await harness.call('DELETE', `/v1/uploads/${body.id}`, app.apiKey)
    }
    await create({ fingerprint: 'another' })
    await create({ subject: 'bob' })

    const resumed = await create({ resume: true })

    expect([resumed.status, resumed.body.id]).toEqual([200, first.id])
    expect(ids(await list('subject=ada&fingerprint=f'))).toEqual([first.id])
    expect(ids(await list('subject=ada&fingerprint=f&state=open'))).toEqual([first.id])
    expect(ids(await list('subject=ada&fingerprint=f&state=completing'))).toEqual([])
  })

  it.each(['completed', 'aborted', 'expired', 'failed'])(
    'is not asked for by fingerprint among the %s',
    async (state) => {
      expect(await list(`fingerprint=f&state=${state}`)).toMatchObject({
        status: 400,
        body: { code: 'invalid-request', errors: [{ pointer: '/fingerprint' }] },
      })
    },
  )
})

describe('a subject with a long history', () => {
  const HISTORY = 20_000

  const connection = {} as ReturnType<typeof connect>

  beforeAll(async () => {
    Object.assign(connection, connect(harness.databaseUrl, { maxConnections: 1 }))
    await query(
      harness,
      `insert into uploads (app_id, upload_id, subject, credential, grant_id, policy_name, policy, state, method, store,
         object_key, filename, content_type, part_size_bytes, reserved_bytes, fingerprint, created_at, active_at, expires_at,
         sweep_at, ended_at, storage_released_at)
       select $1, 'upl_' || lpad(to_hex(n), 32, '0'), 'old', 'grant', 'grt_' || n / 50, 'default', '{}', 'completed', 'single',
         'default', 'k', 'f', 't', 1, 1, 'f' || n % 500, now(), now(), now(), now(), now(), now()
       from generate_series(1, ${HISTORY}) n`,
      [app.id],
    )
    for (let count = 0; count < 5; count++) await create({ subject: 'old', fingerprint: 'f1' })
    await query(harness, 'analyze uploads')
  })
  afterAll(() => connection.close())

  /** Rows that the plan of the service's statement reads, and the indexes it uses. */
  async function planOf(filter: Omit<UploadFilter, 'limit'>) {
    const plans: Array<Record<string, any>> = []
    const explained = {
      async execute(statement: SQL) {
        const [row] = await connection.database.execute<Record<string, any>>(
          sql`explain (analyze, timing off, format json) ${statement}`,
        )
        plans.push(row!['QUERY PLAN'][0].Plan)
        return [{ stands: true, row: null }]
      },
    } as unknown as Database
    await uploadsDb(explained)
      .list(app.id, { subject: 'old', limit: 20, ...filter })
      .catch(() => []) // Without a grant there is no row that could be one.
    const nodes = (plan: Record<string, any>): Array<Record<string, any>> => [
      plan,
      ...(plan.Plans ?? []).flatMap(nodes),
    ]
    const scans = nodes(plans[0]!).filter((node) => node['Relation Name'] === 'uploads')
    return {
      indexes: [...new Set(scans.flatMap((node) => node['Index Name'] ?? []))].sort(),
      read: scans.reduce(
        (sum, node) => sum + node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0),
        0,
      ),
    }
  }

  const GRANT = { grantId: 'grt_7' }
  it.each<[string, Omit<UploadFilter, 'limit'>, string[]]>([
    ['by fingerprint', { fingerprint: 'f1' }, ['uploads_by_fingerprint']],
    ['by fingerprint and state', { fingerprint: 'f1', state: 'open' }, ['uploads_by_fingerprint']],
    [
      'by fingerprint, of any subject',
      { fingerprint: 'f1', subject: undefined },
      ['uploads_by_fingerprint'],
    ],
    ['that are open', { state: 'open' }, ['uploads_unfinished']],
    ['of a grant alone', { reach: GRANT }, ['uploads_by_grant']],
    [
      'that a grant reaches',
      { reach: { ...GRANT, unfinishedUnder: 'default' } },
      ['uploads_by_grant', 'uploads_unfinished'],
    ],
  ])('is not read for sessions %s', async (_, filter, indexes) => {
    const plan = await planOf(filter)

    expect(plan.indexes).toEqual(indexes)
    expect(plan.read).toBeLessThanOrEqual(150)
  })
})
