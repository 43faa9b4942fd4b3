// The service on Node as a target of the shared suite. It runs its own embedded store, and its own embedded PostgreSQL 18
// unless TEST_DATABASE_URL names a server.
import { rm } from 'node:fs/promises'
import type { Target } from '../e2e/suite.ts'
import { freePort } from './ports.ts'
import { freshDatabase } from './postgres.ts'
import { type Service, startService } from './service.ts'

export async function startNodeTarget(): Promise<Target> {
  const given = process.env.TEST_DATABASE_URL ? await freshDatabase() : undefined
  const port = await freePort()
  const environment = {
    PORT: String(port),
    STORE_PORT: String(await freePort()),
    ...(given ? { DATABASE_URL: given.serviceUrl } : {}),
  }
  let service: Service = await startService({ environment })
  const { dataDir, adminKey } = service
  let before = ''
  return {
    url: service.url,
    adminKey,
    kill: () => service.kill(),
    async restart() {
      before += service.output()
      service = await startService({ dataDir, environment })
    },
    // The service's own timers do the work.
    tick: () => new Promise((resolve) => setTimeout(resolve, 100)),
    output: () => before + service.output(),
    async stop() {
      await service.stop()
      await given?.drop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
