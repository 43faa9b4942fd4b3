// A cut answer of the database fails its own statement or transaction and no other. The next statement on that connection gets
// all its own rows, and the process survives.
import { createServer, connect as tcpConnect } from 'node:net'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect, type Database } from '../../src/db/connect.ts'
import { freshDatabase, type TestDatabase } from '../support/postgres.ts'

const DATA_ROW = 'D'.charCodeAt(0)

let fresh: TestDatabase
beforeAll(async () => {
  fresh = await freshDatabase()
})
afterAll(() => fresh.drop())

/** The offset after the first row, or undefined without one. A message is a type byte, and a length that leaves it out. */
function endOfFirstRow(answer: Buffer): number | undefined {
  for (let at = 0; at + 5 <= answer.length; ) {
    const end = at + 1 + answer.readUInt32BE(at + 1)
    if (answer[at] === DATA_ROW) return end
    at = end
  }
  return undefined
}

/** A proxy that, once told to, breaks the connection after the first row. */
async function startLine(url: string) {
  const state = { breaks: false }
  const { hostname, port } = new URL(url)
  const server = createServer((near) => {
    const far = tcpConnect({ host: hostname, port: Number(port) })
    const end = () => {
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) socket.on('error', end).on('close', end)
    near.on('data', (chunk) => far.write(chunk))
    far.on('data', (chunk) => {
      const cut = state.breaks ? endOfFirstRow(chunk) : undefined
      if (cut === undefined) return near.write(chunk)
      state.breaks = false
      near.end(chunk.subarray(0, cut))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const through = new URL(url)
  through.port = String((server.address() as { port: number }).port)
  return { state, url: through.href, close: () => server.close() }
}

type Line = Awaited<ReturnType<typeof startLine>>

it.each([
  [
    'behind a row',
    async (database: Database, line: Line) => {
      await database.execute(sql`select 1 as one`)
      line.state.breaks = true
      await database.execute(sql`select 2 as two`)
    },
  ],
  [
    'in a transaction',
    (database: Database, line: Line) =>
      database.transaction(async (transaction) => {
        await transaction.execute(sql`select 1 as one`)
        line.state.breaks = true
        await transaction.execute(sql`select 2 as two`)
      }),
  ],
])('a connection that was lost %s', async (_, lose) => {
  const line = await startLine(fresh.serviceUrl)
  const { database, close } = connect(line.url, { maxConnections: 1 })
  try {
    await expect(lose(database, line)).rejects.toThrow()
    const next = await database.execute(sql`select 3 as three`)

    expect([...next]).toEqual([{ three: 3 }])
    expect(line.state.breaks).toBe(false)
  } finally {
    await close()
    line.close()
  }
})

it('a statement that failed in a transaction takes back the others, and the connection goes on', async () => {
  const { database, close } = connect(fresh.serviceUrl, { maxConnections: 1 })
  try {
    const failing = database.transaction(async (transaction) => {
      await transaction.execute(sql`create table taken_back (n int)`)
      await transaction.execute(sql`select 1 / 0`)
    })

    await expect(failing).rejects.toThrow()
    const next = await database.execute(sql`select to_regclass('taken_back') as found`)

    expect([...next]).toEqual([{ found: null }])
  } finally {
    await close()
  }
})

it('a statement that failed behind a row', async () => {
  const { database, close } = connect(fresh.serviceUrl, { maxConnections: 1 })
  try {
    const failing = sql`select 1 / (2 - n) from generate_series(1, 3) n`

    await expect(database.execute(failing)).rejects.toThrow()
    const next = await database.execute(sql`select n from generate_series(4, 5) n`)

    expect([...next]).toEqual([{ n: 4 }, { n: 5 }])
  } finally {
    await close()
  }
})
