// What is killed: PostgreSQL and the service, each behind a proxy whose port stays, and started again by SIGKILL's survivor.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { guardedFolder } from '../support/postgres.ts'
import { type Service, startService } from '../support/service.ts'
import { startProxy } from './proxy.ts'

const STARTS = 10

export async function startVictims(next: (below: number) => number) {
  const folder = await guardedFolder()
  const directory = join(folder.path, 'postgres')
  const dataDir = join(folder.path, 'data')
  const databaseLine = await startProxy(next)
  const storeLine = await startProxy(next)
  const printed: string[] = []
  let database: EmbeddedPostgres
  let service: Service
  /** Starts that the bad line broke: a supervisor tries again. */
  let restarts = 0

  async function startDatabase(): Promise<void> {
    // With fsync, as in production: without it commits wait in the server's memory, and a kill takes them.
    database = await startEmbeddedPostgres({ directory, log: () => {}, detached: false })
    databaseLine.leadTo(Number(new URL(database.url).port))
  }

  function databaseUrl(): string {
    const url = new URL(database.url)
    url.port = String(databaseLine.port)
    return url.href
  }

  async function startAgain(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        service = await startService({ dataDir, environment: { DATABASE_URL: databaseUrl() } })
        storeLine.leadTo(Number(new URL(service.storeUrl).port))
        return
      } catch (error) {
        restarts++
        printed.push(String(error))
        if (attempt === STARTS) throw error
      }
    }
  }

  await startDatabase()
  await startAgain()

  return {
    dataDir,
    databaseLine,
    storeLine,
    get service(): Service {
      return service
    },
    get restarts(): number {
      return restarts
    },
    /** Everything that any of the services printed. */
    output: () => [...printed, service.output()].join('\n'),
    realDatabaseUrl: () => database.url,

    async killService(): Promise<void> {
      await service.kill()
      printed.push(service.output())
      await startAgain()
    },

    async killDatabase(): Promise<void> {
      process.kill(postmasterPid(directory), 'SIGKILL')
      await database.stop()
      await startDatabase()
    },

    /** SIGTERM; answers its exit code. */
    stopService: () => service.stop({ remove: false }),

    async stop(): Promise<void> {
      if (service.process.exitCode === null && service.process.signalCode === null) {
        await service.kill()
      }
      await database.stop()
      await databaseLine.close()
      await storeLine.close()
      await folder.remove()
    },

    /** Processes that still name our folder. */
    processesLeft(): string[] {
      return readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
        .map((pid) => {
          try {
            return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
          } catch {
            return '' // It has just ended.
          }
        })
        .filter((line) => line.includes(folder.path))
    },
  }
}

function postmasterPid(directory: string): number {
  const name = readdirSync(directory, { recursive: true, encoding: 'utf8' }).find((path) =>
    path.endsWith('postmaster.pid'),
  )
  return Number.parseInt(readFileSync(join(directory, name ?? 'postmaster.pid'), 'utf8'), 10)
}

export type Victims = Awaited<ReturnType<typeof startVictims>>
