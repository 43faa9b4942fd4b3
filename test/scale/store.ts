// The store of a test here: embedded, run in this process, and given to the services by the variables of a real one.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedStore } from '../../src/embedded/store/index.ts'

export async function startStore() {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-scale-'))
  const credentials = { region: 'local', bucket: 'bucket', accessKeyId: 'id', secretAccessKey: 's' }
  const store = await startEmbeddedStore({
    directory,
    host: '127.0.0.1',
    port: 0,
    ...credentials,
    clock: () => new Date(),
    fetch,
    log: () => {},
  })
  return {
    environment: {
      STORE_DIALECT: 'oss',
      STORE_ENDPOINT: store.url,
      STORE_ADDRESSING: 'path',
      STORE_REGION: credentials.region,
      STORE_BUCKET: credentials.bucket,
      STORE_ACCESS_KEY_ID: credentials.accessKeyId,
      STORE_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    async close() {
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
