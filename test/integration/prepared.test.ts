// Prepared statements: each text once on a connection, a bounded number of them, and none that outlives its result.
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect, type Database } from '../../src/db/connect.ts'
import { freshDatabase, type TestDatabase } from '../support/postgres.ts'

let fresh: TestDatabase
const open: Array<() => Promise<void>> = []

beforeAll(async () => {
  fresh = await freshDatabase()
})
afterAll(async () => {
  for (const close of open) await close()
  await fresh.drop()
})

/** One connection, so that its prepared statements can be counted. */
function connectOnce(options: { prepare?: boolean } = {}): Database {
  const { database, close } = connect(fresh.url, { maxConnections: 1, ...options })
  open.push(close)
  return database
}

async function preparedTexts(database: Database): Promise<string[]> {
  const rows = await database.execute<{ statement: string }>(
    sql.raw('select statement from pg_prepared_statements'),
  )
  return rows.map(({ statement }) => statement)
}

const add = (database: Database, value: number) =>
  database.execute<{ sum: number }>(sql`select ${value}::int + 1 as sum`)

it('prepares a statement once on its connection, whatever its parameters', async () => {
  const database = connectOnce()

  expect([...(await add(database, 1)), ...(await add(database, 2))]).toEqual([
    { sum: 2 },
    { sum: 3 },
  ])

  expect(await preparedTexts(database)).toEqual(['select $1::int + 1 as sum'])
})

it('prepares nothing where a pooler cannot keep it', async () => {
  const database = connectOnce({ prepare: false })

  expect([...(await add(database, 1))]).toEqual([{ sum: 2 }])

  expect(await preparedTexts(database)).toEqual([])
})

it('does not keep texts that vary without bound', async () => {
  const database = connectOnce()

  for (let index = 0; index < 510; index++) {
    const column = sql.raw(`c${index}`)
    await database.execute(sql`select ${index}::int as ${column}`)
  }

  expect(await preparedTexts(database)).toHaveLength(500)
})

it('prepares a statement again after a migration has changed its result', async () => {
  const database = connectOnce()
  await database.execute(sql.raw('create table shapes (id int); insert into shapes values (1)'))
  const read = () => database.execute(sql`select * from shapes where id = ${1}`)
  expect([...(await read())]).toEqual([{ id: 1 }])

  await database.execute(sql.raw('alter table shapes add column name text'))

  expect([...(await read())]).toEqual([{ id: 1, name: null }])
})
