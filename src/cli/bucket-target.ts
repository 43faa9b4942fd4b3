// Whose bucket, with which key, for which prefixes and origins: from flags, the service's environment and its apps.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ApiProblem, api } from '../client/api.ts'
import { parseStoreConfigs, type StoreConfig } from '../config.ts'
import type { BucketSettings } from '../core/ports/bucket-settings.ts'
import { openBucket } from '../storage/open.ts'

export type Environment = Record<string, string | undefined>

export interface BucketTarget {
  store: string
  bucket: string
  endpoint: string
  roleArn?: string
  settings: BucketSettings
}

/** Where no answer can be given as asked: the message says what to do, and the command exits with 2. */
export const usageFault = (message: string) =>
  Object.assign(new Error(message), { name: 'UsageFault' })

async function readJson<Value>(path: string): Promise<Partial<Value>> {
  const text = await readFile(path, 'utf8').catch(() => '{}')
  return JSON.parse(text) as Partial<Value>
}

export async function openTarget(
  environment: Environment,
  wanted: string | undefined,
): Promise<BucketTarget> {
  const store = await findStore(environment, wanted)
  const { name, bucket, roleArn } = store
  return { store: name, bucket, roleArn, ...openBucket(store, { clock: () => new Date(), fetch }) }
}

async function findStore(environment: Environment, wanted = 'default'): Promise<StoreConfig> {
  const { stores, dataDirectory } = parseStoreConfigs(environment)
  if (stores.length === 0 && wanted === 'default') return embeddedStore(dataDirectory)
  const store = stores.find(({ name }) => name === wanted)
  if (store) return store
  const names = stores.map(({ name }) => name).join(', ') || 'only the embedded one, default'
  throw usageFault(`There is no store "${wanted}" (there is: ${names}). Name one with --store.`)
}

async function embeddedStore(dataDirectory: string): Promise<StoreConfig> {
  const path = join(dataDirectory, 'store.json')
  const { endpoint, bucket, region, accessKeyId, secretAccessKey } =
    await readJson<StoreConfig>(path)
  if (!endpoint || !bucket || !region || !accessKeyId || !secretAccessKey) {
    throw usageFault(
      `No store: set STORE_DIALECT and its variables, or run "npm start" in this folder. (Looked for ${path}.)`,
    )
  }
  return {
    name: 'default',
    dialect: 'oss',
    bindLength: true,
    endpoint,
    addressing: 'path',
    bucket,
    region,
    accessKeyId,
    secretAccessKey,
  }
}

export interface Wishes {
  prefixes: readonly string[]
  origins: readonly string[]
  url?: string
  adminKey?: string
}

interface App {
  name: string
  keyPrefix: string
  allowedOrigins: string[]
}

/** Prefixes with their slash, and origins. The service is asked only for what no flag says. */
export async function findWanted(environment: Environment, wishes: Wishes) {
  const complete = wishes.prefixes.length > 0 && wishes.origins.length > 0
  const apps = complete ? [] : await listApps(environment, wishes)
  const prefixes = wishes.prefixes.length ? wishes.prefixes : apps.map((app) => app.keyPrefix)
  const origins = wishes.origins.length
    ? wishes.origins
    : apps.flatMap(({ allowedOrigins }) => allowedOrigins)
  if (prefixes.length === 0) {
    throw usageFault('The service has no app yet: create one, or give --prefix.')
  }
  return { prefixes: [...new Set(prefixes.map(withSlash))], origins: [...new Set(origins)].sort() }
}

/** A wildcard in a prefix would be one in the RAM policies, too. */
function withSlash(prefix: string): string {
  const bare = prefix.replace(/\/$/, '')
  if (/^[\w.-]+(\/[\w.-]+)*$/.test(bare) && bare.length <= 128) return `${bare}/`
  throw usageFault(`--prefix ${prefix}: is not a key prefix such as photos or team/photos.`)
}

async function listApps(environment: Environment, wishes: Wishes): Promise<App[]> {
  const { dataDirectory } = parseStoreConfigs(environment)
  const local = await readJson<{ url: string }>(join(dataDirectory, 'cli.json'))
  const url = wishes.url ?? environment.COUNTERSIGN_URL ?? environment.PUBLIC_URL ?? local.url
  const keys = await readJson<{ adminKey: string }>(join(dataDirectory, 'keys.json'))
  // A generated key belongs to the service of this folder and is shown to no other.
  const generated = url === local.url ? keys.adminKey : undefined
  const adminKey = wishes.adminKey ?? environment.ADMIN_KEY ?? generated
  if (!url || !adminKey) {
    throw usageFault(
      `To read the apps, give ${url ? '--admin-key (or ADMIN_KEY)' : '--url (or COUNTERSIGN_URL)'}; or name everything with --prefix and --origin.`,
    )
  }
  const call = api({ url: url.replace(/\/+$/, '') })
  const apps: App[] = []
  for (let cursor: string | undefined; ; ) {
    const { body } = await call<{ apps: App[]; nextCursor?: string }>(
      'GET',
      `/v1/apps?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
      adminKey,
    ).catch((error: unknown) => {
      throw error instanceof ApiProblem
        ? error
        : new Error(`No answer from ${url}. Is it running? Else give --prefix and --origin.`)
    })
    apps.push(...body.apps)
    if (!body.nextCursor) return apps
    cursor = body.nextCursor
  }
}
