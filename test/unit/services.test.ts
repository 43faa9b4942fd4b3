// How calls leave the service: the default endpoints of services beside a store, and the fetch for URLs that tenants name.
import { expect, it } from 'vitest'
import type { StoreConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/connect.ts'
import { type ProcessOptions, processServices } from '../../src/services.ts'

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

const servicesOf = async (options: Partial<ProcessOptions>) => {
  const services = await processServices({
    secretKeys: [{ kid: 'k1', secret: new Uint8Array(32) }],
    adminKey: undefined,
    publicUrl: () => 'https://countersign.test',
    allowPrivateTargets: false,
    embedded: false,
    stores: [STORE],
    log: () => {},
    background: () => {},
    ...options,
  })
  // Never connected to, because no statement is sent.
  return services.forDatabase({} as Database)
}

async function jobSubmitted(store: StoreConfig): Promise<URL> {
  const asked: string[] = []
  const { storeNamed } = await servicesOf({
    stores: [store],
    fetch: async (url) => {
      asked.push(String(url))
      return Response.json({ JobResultList: { JobResult: [{ Job: { JobId: 'j' } }] } })
    },
  })
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

it('webhooks and key sets go through what guards the targets of tenants, and through nothing else', async () => {
  const asked: string[] = []
  const { sendWebhook, authentication } = await servicesOf({
    fetch: () => Promise.reject(new Error('not guarded')),
    targetFetch: async (url) => {
      asked.push(String(url))
      return new Response(null, { status: 204 })
    },
  })

  await sendWebhook('https://app.example/hook', {}, '{}')
  await authentication.jwks('https://issuer.example/jwks.json')

  expect(asked).toEqual(['https://app.example/hook', 'https://issuer.example/jwks.json'])
})

it.each(['http://app.example/', 'https://127.0.0.1/', 'https://metadata.google.internal/'])(
  'where nothing else guards them, %s is not fetched',
  async (url) => {
    const asked: unknown[] = []
    const { sendWebhook, authentication } = await servicesOf({
      fetch: async (from) => {
        asked.push(from)
        return new Response(null, { status: 204 })
      },
    })

    await expect(sendWebhook(url, {}, '{}')).rejects.toThrow('is not')
    expect(await authentication.jwks(url)).toBeUndefined()

    expect(asked).toEqual([])
  },
)
