// Finds the bucket, its key, and the prefixes and origins to set up: in flags, the service's environment, and its apps.
import { join } from 'node:path'
import type { Wanted } from '../bucket/review.ts'
import { ApiProblem, api } from '../client/api.ts'
import { parseStoreConfigs, type StoreConfig } from '../config.ts'
import type { BucketSettings } from '../core/ports/bucket-settings.ts'
import { openBucket } from '../storage/open.ts'
import { readJson } from './json-file.ts'

export type Environment = Record<string, string | undefined>

export interface BucketTarget {
  store: string
  bucket: string
  endpoint: string
  roleArn?: string
  settings: BucketSettings
}

/** An error in the command line or its environment. The message says what to do, and the command exits with 2. */
export const usageFault = (message: string) =>
  Object.assign(new Error(message), { name: 'UsageFault' })

export async function openTarget(
  environment: Environment,
  storeName: string | undefined,
): Promise<BucketTarget> {
  const store = await findStore(environment, storeName)
  const { name, bucket, dialect } = store
  const opened = openBucket(store, { clock: () => new Date(), fetch })
  if (!opened) throw usageFault(`The settings of a bucket of dialect ${dialect} are not managed.`)
  const roleArn = dialect === 'oss' ? store.roleArn : undefined
  return { store: name, bucket, roleArn, ...opened }
}

async function findStore(environment: Environment, storeName = 'default'): Promise<StoreConfig> {
  const { stores, dataDirectory } = parseStoreConfigs(environment)
  if (stores.length === 0 && storeName === 'default') return embeddedStore(dataDirectory)
  const store = stores.find(({ name }) => name === storeName)
  if (store) return store
  const names = stores.map(({ name }) => name).join(', ') || 'default'
  throw usageFault(`There is no store "${storeName}". Pass one of these with --store: ${names}.`)
}

async function embeddedStore(dataDirectory: string): Promise<StoreConfig> {
  const path = join(dataDirectory, 'store.json')
  const { endpoint, bucket, region, accessKeyId, secretAccessKey } =
    await readJson<StoreConfig>(path)
  if (!endpoint || !bucket || !region || !accessKeyId || !secretAccessKey) {
    throw usageFault(
      `No store is configured, and ${path} does not exist. Set STORE_DIALECT and its variables, or run "npm start" here first.`,
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

interface WantedOptions extends Pick<Wanted, 'prefixes' | 'origins'> {
  url?: string
  adminKey?: string
}

interface App {
  name: string
  keyPrefix: string
  allowedOrigins: string[]
}

/** Returns prefixes, each with its slash, and origins. Reads the apps of the service only if a flag is missing. */
export async function findWanted(environment: Environment, options: WantedOptions) {
  const isComplete = options.prefixes.length > 0 && options.origins.length > 0
  const apps = isComplete ? [] : await listApps(environment, options)
  const prefixes = options.prefixes.length ? options.prefixes : apps.map((app) => app.keyPrefix)
  const origins = options.origins.length
    ? options.origins
    : apps.flatMap(({ allowedOrigins }) => allowedOrigins)
  if (prefixes.length === 0) {
    throw usageFault('The service has no app yet. Create one, or pass --prefix.')
  }
  return { prefixes: [...new Set(prefixes.map(withSlash))], origins: [...new Set(origins)].sort() }
}

/** Refuses wildcards, because a RAM policy would apply them. */
function withSlash(prefix: string): string {
  const bare = prefix.replace(/\/$/, '')
  if (/^[\w.-]+(\/[\w.-]+)*$/.test(bare) && bare.length <= 128) return `${bare}/`
  throw usageFault(`--prefix ${prefix} is not a key prefix such as photos or team/photos.`)
}

async function listApps(environment: Environment, options: WantedOptions): Promise<App[]> {
  const { dataDirectory } = parseStoreConfigs(environment)
  const local = await readJson<{ url: string }>(join(dataDirectory, 'cli.json'))
  const url = options.url ?? environment.COUNTERSIGN_URL ?? environment.PUBLIC_URL ?? local.url
  const keys = await readJson<{ adminKey: string }>(join(dataDirectory, 'keys.json'))
  // The generated key belongs to the service of this folder, so no other service may see it.
  const generated = url === local.url ? keys.adminKey : undefined
  const adminKey = options.adminKey ?? environment.ADMIN_KEY ?? generated
  if (!url || !adminKey) {
    throw usageFault(
      `Pass ${url ? '--admin-key (or set ADMIN_KEY)' : '--url (or set COUNTERSIGN_URL)'} to read the apps, or pass both --prefix and --origin.`,
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
        : new Error(
            `${url} does not answer. Is it running? You can also pass --prefix and --origin.`,
          )
    })
    apps.push(...body.apps)
    if (!body.nextCursor) return apps
    cursor = body.nextCursor
  }
}
