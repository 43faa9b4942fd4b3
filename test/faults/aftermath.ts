// After the kills, runs the service in this process on the database and disk they left. Its clock can be moved, so that leases,
// windows and sessions end without waiting.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { fromBase64url } from '../../src/bytes/encoding.ts'
import { connect } from '../../src/db/connect.ts'
import { deliverDue } from '../../src/delivery/deliver.ts'
import { startEmbeddedStore } from '../../src/embedded/store/index.ts'
import { httpApp } from '../../src/http/app.ts'
import { guardedFetch } from '../../src/node/guarded-fetch.ts'
import { runScheduled } from '../../src/schedule/run.ts'
import { processServices } from '../../src/services.ts'

export async function startAftermath(dataDir: string, databaseUrl: string) {
  const json = async (name: string) => JSON.parse(await readFile(join(dataDir, name), 'utf8'))
  const [keys, settings] = await Promise.all([json('keys.json'), json('store.json')])
  const { region, bucket, accessKeyId, secretAccessKey } = settings
  let offsetMs = 0
  const clock = () => new Date(Date.now() + offsetMs)
  const connection = connect(databaseUrl, { maxConnections: 4 })
  const store = await startEmbeddedStore({
    directory: join(dataDir, 'store'),
    host: '127.0.0.1',
    port: 0,
    region,
    bucket,
    accessKeyId,
    secretAccessKey,
    clock,
    fetch,
    log: () => {},
  })
  const targets = guardedFetch({ allowPrivate: true })
  let url = ''
  const processWide = await processServices({
    secretKeys: keys.secretKeys.map(({ kid, secret }: { kid: string; secret: string }) => ({
      kid,
      secret: fromBase64url(secret)!,
    })),
    adminKey: keys.adminKey,
    publicUrl: () => url,
    allowPrivateTargets: true,
    embedded: true,
    stores: [
      {
        name: 'default',
        dialect: 'oss',
        endpoint: store.url,
        region,
        bucket,
        addressing: 'path',
        accessKeyId,
        secretAccessKey,
        bindLength: true,
      },
    ],
    embeddedCallbackKey: store.callbackPublicKeyPem,
    log: () => {},
    background: (work) => void work.catch(() => {}),
    targetFetch: targets.fetch,
    clock,
  })
  const services = processWide.forDatabase(connection.database)
  const listener = getRequestListener(httpApp({ servicesFor: () => services }).fetch)
  const server = createServer((request, response) => void listener(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    url,
    storePort: store.port,
    advance(milliseconds: number): void {
      offsetMs += milliseconds
    },
    async settle(): Promise<void> {
      await runScheduled(services)
      await deliverDue(services)
    },
    async stop(): Promise<void> {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      targets.close()
      await store.close()
      await connection.close()
    },
  }
}
