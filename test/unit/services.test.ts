// Where the services beside a store are looked for: in the store's region, unless the configuration says where.
import { expect, it } from 'vitest'
import type { StoreConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/connect.ts'
import { processServices } from '../../src/services.ts'

const STORE: StoreConfig = {
  name: 'default',
  dialect: 'oss',
  endpoint: 'public',
  region: 'oss-cn-hangzhou',
  bucket: 'photos',
  accessKeyId: 'id',
  secretAccessKey: 'secret',
  bindLength: true,
}

async function jobSubmitted(store: StoreConfig): Promise<URL> {
  const asked: string[] = []
  const services = await processServices({
    secretKeys: [{ kid: 'k1', secret: new Uint8Array(32) }],
    adminKey: undefined,
    publicUrl: () => 'https://countersign.test',
    allowPrivateTargets: false,
    embedded: false,
    stores: [store],
    verifyRsaMd5: () => false,
    log: () => {},
    background: () => {},
    fetch: async (url) => {
      asked.push(String(url))
      return Response.json({ JobResultList: { JobResult: [{ Job: { JobId: 'j' } }] } })
    },
  })
  // No statement is sent.
  const { storeNamed } = services.forDatabase({} as Database)
  const job = { key: 'a', saveAs: 'b', pipelineId: 'p', templateId: 't' }
  expect(await storeNamed('default').process?.media?.submit(job)).toBe('j')
  return new URL(asked[0]!)
}

it.each([
  [{}, 'https://mts.cn-hangzhou.aliyuncs.com'],
  [{ region: 'cn-shanghai' }, 'https://mts.cn-shanghai.aliyuncs.com'],
  [{ mpsEndpoint: 'https://mts.example.com' }, 'https://mts.example.com'],
])('with %j a job goes to %s, for a location with its prefix', async (changes, origin) => {
  const store = { ...STORE, ...changes }
  const url = await jobSubmitted(store)

  expect(url.origin).toBe(origin)
  expect(url.searchParams.get('OutputLocation')).toBe(`oss-${store.region.replace('oss-', '')}`)
})
