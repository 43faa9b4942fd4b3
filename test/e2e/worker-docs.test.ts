// Follows docs/deploy-workers.md in a new checkout, up to `wrangler deploy --dry-run`.
import { spawnSync } from 'node:child_process'
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseConfig } from '../../src/config.ts'
import { type Block, codeBlocks } from '../support/docs.ts'
import { copyOfCheckout } from '../support/packed.ts'
import { freshDatabase } from '../support/postgres.ts'
import { OFFLINE } from '../support/workerd.ts'

const NEEDS_ACCOUNT = /wrangler (login|secret|hyperdrive|queues|tail|deploy(?! --dry-run))|curl/

let blocks: Block[]
let checkout: string
let fresh: Awaited<ReturnType<typeof freshDatabase>>
let sql: postgres.Sql

beforeAll(async () => {
  blocks = (await codeBlocks('deploy-workers.md')).filter(({ kind }) => /^sh\b/.test(kind))
  checkout = await copyOfCheckout()
  fresh = await freshDatabase()
  sql = postgres(fresh.url, { max: 1, onnotice: () => {} })
  // Empty, like a reader's checkout.
  await sql`drop schema public, drizzle cascade`
  await sql`create schema public`
})
afterAll(async () => {
  await sql.end()
  await fresh.drop()
  await rm(checkout, { recursive: true, force: true })
})

it('marks what needs an account, and nothing else', () => {
  for (const { kind, text } of blocks) {
    expect([kind, text, kind === 'sh account']).toEqual([kind, text, NEEDS_ACCOUNT.test(text)])
  }
  expect(blocks.filter(({ kind }) => kind === 'sh').length).toBeGreaterThanOrEqual(4)
})

it('leads from a checkout to a bundle, a migrated database and the secrets', async () => {
  for (const { text } of blocks.filter(({ kind }) => kind === 'sh')) {
    const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', text], {
      cwd: checkout,
      encoding: 'utf8',
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        ...OFFLINE,
        DATABASE_URL: fresh.url,
        STORE_ACCESS_KEY_ID: 'id',
        STORE_SECRET_ACCESS_KEY: 'secret',
      },
    })
    expect(status, `${text}\n${stdout}${stderr}`).toBe(0)
  }

  expect(await sql`select count(*) from uploads`).toEqual([{ count: '0' }])
  const secretsFile = join(checkout, 'secrets.json')
  const secrets = JSON.parse(await readFile(secretsFile, 'utf8'))
  const variables = { STORE_DIALECT: 'oss', STORE_REGION: 'oss-x', STORE_BUCKET: 'bucket' }
  expect(() => parseConfig({ ...secrets, ...variables }, ['STORE_DIALECT'])).not.toThrow()
  expect((await stat(secretsFile)).mode & 0o077).toBe(0)
  const bundle = await readFile(join(checkout, 'dist/worker-bundle/worker.js'), 'utf8')
  expect(bundle).toContain('readsAreFresh')
})
