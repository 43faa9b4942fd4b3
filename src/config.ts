// The environment, parsed once: every variable with its default and description, all faults reported together by name.
import { z } from 'zod'
import { callbackUrls } from './config/callback-urls.ts'
import {
  addressing,
  endpoint,
  flag,
  httpUrl,
  port,
  publicEndpoint,
  secretKeys,
} from './config/values.ts'

const MIN_ADMIN_KEY = 24
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/i

const storeSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/),
  dialect: z.enum(['oss'], 'must be "oss"'),
  product: z.string().optional(),
  endpoint: endpoint.default('public'),
  publicEndpoint: publicEndpoint.optional(),
  region: z.string().regex(/^[a-z0-9-]+$/),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/),
  /** Absent: as the form of each endpoint tells. */
  addressing: addressing.optional(),
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().optional(),
  credentialsExpireAt: z.iso.datetime().optional(),
  roleArn: z
    .string()
    .regex(/^acs:ram::\d+:role\/[\w.-]{1,64}$/, 'must be like acs:ram::<account>:role/<name>')
    .optional(),
  stsEndpoint: httpUrl.optional(),
  mpsEndpoint: httpUrl.optional(),
  bindLength: z.boolean().default(true),
  exclusive: z.boolean().optional(),
  cleanupDays: z.int().min(1).optional(),
})
export type StoreConfig = z.infer<typeof storeSchema>

const environmentSchema = z.object({
  PORT: port.default(8787).describe('Port of the service'),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on'),
  DATA_DIR: z
    .string()
    .default('.countersign')
    .describe('Folder of the embedded database, the embedded store and generated keys'),
  DATABASE_URL: z.string().optional().describe('PostgreSQL 15 or newer; absent: embedded'),
  PUBLIC_URL: httpUrl.optional().describe('Where clients and stores reach the service'),
  CALLBACK_URLS: callbackUrls,
  ADMIN_KEY: z
    .string()
    .min(MIN_ADMIN_KEY, `must have at least ${MIN_ADMIN_KEY} characters`)
    .optional()
    .describe('Key of the operator'),
  SECRET_KEYS: secretKeys
    .optional()
    .describe(
      'List kid:base64url; the first signs, all verify. Token keys and the at-rest key derive from it',
    ),
  WEBHOOK_ALLOW_PRIVATE: flag
    .optional()
    .describe('Also send to http, loopback and private addresses; default only in embedded mode'),
  LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('Least level logged'),
  STORE_PORT: port
    .optional()
    .describe('Port of the embedded store; default PORT + 1, or a free one'),
  STORE_DIALECT: z
    .enum(['oss'])
    .optional()
    .describe('Dialect of the store "default"; absent: embedded'),
  STORE_PRODUCT: z.string().optional().describe('Product row of the S3 family'),
  STORE_ENDPOINT: endpoint
    .optional()
    .describe(
      'Where the service reaches the store: a URL, or public (default), internal, dual-stack, accelerate, accelerate-overseas',
    ),
  STORE_PUBLIC_ENDPOINT: publicEndpoint
    .optional()
    .describe('Endpoint in signed URLs, if another: a custom domain, or as above but internal'),
  STORE_REGION: z.string().optional().describe('Region, with or without oss-'),
  STORE_BUCKET: z.string().optional().describe('Bucket'),
  STORE_ADDRESSING: addressing
    .optional()
    .describe(
      'Bucket in the host (virtual), in the path, or the host is the bucket’s own (cname); default as the endpoint’s form tells',
    ),
  STORE_ACCESS_KEY_ID: z.string().optional().describe('Access key id'),
  STORE_SECRET_ACCESS_KEY: z.string().optional().describe('Secret access key'),
  STORE_SESSION_TOKEN: z.string().optional().describe('Security token of temporary credentials'),
  STORE_CREDENTIALS_EXPIRE_AT: z.iso
    .datetime()
    .optional()
    .describe('When temporary credentials end (ISO 8601, UTC): no URL outlives them'),
  STORE_ROLE_ARN: z
    .string()
    .optional()
    .describe(
      'Role assumed for credentials that clients are handed: acs:ram::<account>:role/<name>',
    ),
  STORE_STS_ENDPOINT: httpUrl.optional().describe('STS, if not https://sts.<region>.aliyuncs.com'),
  STORE_MPS_ENDPOINT: httpUrl
    .optional()
    .describe('Media Processing, if not https://mts.<region>.aliyuncs.com'),
  STORE_BIND_LENGTH: flag
    .optional()
    .describe('Sign the exact Content-Length of parts; default true'),
  STORE_EXCLUSIVE: flag
    .optional()
    .describe(
      'Nobody else uploads below the apps’ prefixes: the sweep aborts unknown uploads there after 7 days; default false',
    ),
  STORE_CLEANUP_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .describe(
      'Days after which the bucket itself aborts unfinished uploads: no session lives longer; default none',
    ),
  STORES: z
    .string()
    .optional()
    .describe('JSON array of further stores, the same in camelCase plus name'),
  EMBEDDED_CALLBACK_KEY: z
    .string()
    .optional()
    .describe('For tests: public key (PEM) of an embedded store in another process'),
  RUN_REQUESTS: z.coerce
    .number()
    .int()
    .min(40)
    .default(800)
    .describe('Workers: store calls, webhooks and statements of one scheduled run; the rest waits'),
})
type Environment = z.infer<typeof environmentSchema>

/** Every variable with its description: docs/configuration.md is checked against it. */
export const VARIABLES = Object.entries(environmentSchema.shape).map(([name, schema]) => ({
  name,
  description: schema.description ?? '',
}))

export interface Config {
  port: number
  host: string
  dataDirectory: string
  databaseUrl: string | undefined
  publicUrl: string | undefined
  callbackUrls: readonly string[] | undefined
  adminKey: string | undefined
  secretKeys: ReadonlyArray<{ kid: string; secret: Uint8Array<ArrayBuffer> }> | undefined
  allowPrivateTargets: boolean
  logLevel: 'debug' | 'info' | 'warn' | 'error'
  storePort: number
  stores: readonly StoreConfig[]
  embeddedCallbackKey: string | undefined
  runRequests: number
  /** True where the store "default" is the embedded one. */
  embeddedStore: boolean
  /** Embedded store on a loopback host: keys are generated, a demo app is made. */
  embedded: boolean
}

/** Thrown with every fault of the environment, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

function storesOf(env: Environment): { stores: unknown[]; faults: string[] } {
  const faults: string[] = []
  const stores: unknown[] = []
  if (env.STORE_DIALECT) {
    stores.push({
      name: 'default',
      dialect: env.STORE_DIALECT,
      product: env.STORE_PRODUCT,
      endpoint: env.STORE_ENDPOINT,
      publicEndpoint: env.STORE_PUBLIC_ENDPOINT,
      region: env.STORE_REGION,
      bucket: env.STORE_BUCKET,
      addressing: env.STORE_ADDRESSING,
      accessKeyId: env.STORE_ACCESS_KEY_ID,
      secretAccessKey: env.STORE_SECRET_ACCESS_KEY,
      sessionToken: env.STORE_SESSION_TOKEN,
      credentialsExpireAt: env.STORE_CREDENTIALS_EXPIRE_AT,
      roleArn: env.STORE_ROLE_ARN,
      stsEndpoint: env.STORE_STS_ENDPOINT,
      mpsEndpoint: env.STORE_MPS_ENDPOINT,
      bindLength: env.STORE_BIND_LENGTH,
      exclusive: env.STORE_EXCLUSIVE,
      cleanupDays: env.STORE_CLEANUP_DAYS,
    })
  }
  if (env.STORES) {
    try {
      const more: unknown = JSON.parse(env.STORES)
      if (!Array.isArray(more)) throw new TypeError('not a list')
      stores.push(...more)
    } catch {
      faults.push('STORES: must be a JSON array of stores')
    }
  }
  return { stores, faults }
}

const upperSnake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()

function parseStores(env: Environment, faults: string[]): StoreConfig[] {
  const { stores, faults: listFaults } = storesOf(env)
  faults.push(...listFaults)
  return stores.flatMap((store, index) => {
    const parsed = storeSchema.safeParse(store)
    if (parsed.success) return [parsed.data]
    const fromVariables = env.STORE_DIALECT !== undefined && index === 0
    for (const { path, message } of parsed.error.issues) {
      const where = fromVariables
        ? `STORE_${upperSnake(String(path[0] ?? ''))}`
        : `STORES[${index - (env.STORE_DIALECT ? 1 : 0)}].${path.join('.')}`
      faults.push(`${where}: ${message}`)
    }
    return []
  })
}

export type Variables = Record<string, string | undefined>

function parseEnvironment(variables: Variables): Environment {
  const present = Object.fromEntries(
    Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''),
  )
  const parsed = environmentSchema.safeParse(present)
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'),
    )
  }
  return parsed.data
}

/** Only the stores, for a tool that needs none of the service's own keys. None means: the embedded one. */
export function parseStoreConfigs(variables: Variables): {
  stores: readonly StoreConfig[]
  dataDirectory: string
} {
  const env = parseEnvironment(variables)
  const faults: string[] = []
  const stores = parseStores(env, faults)
  if (faults.length) throw new ConfigError(faults.join('\n'))
  return { stores, dataDirectory: env.DATA_DIR }
}

export type Needed = 'DATABASE_URL' | 'PUBLIC_URL' | 'STORE_DIALECT'

/** Throws ConfigError naming every variable that is missing or wrong; `needed` are those without which nothing is embedded. */
export function parseConfig(variables: Variables, needed: readonly Needed[] = []): Config {
  const env = parseEnvironment(variables)
  const faults: string[] = []
  const stores = parseStores(env, faults)
  const embeddedStore = !env.STORE_DIALECT && !env.STORES
  const embedded = embeddedStore && LOOPBACK.test(env.HOST) && !needed.length
  for (const name of needed) {
    if (!env[name] && !(name === 'STORE_DIALECT' && env.STORES)) {
      faults.push(`${name}: is needed here, where nothing is embedded`)
    }
  }
  if (!embedded) {
    if (!env.ADMIN_KEY)
      faults.push('ADMIN_KEY: is needed outside embedded mode (24 characters or more)')
    if (!env.SECRET_KEYS)
      faults.push('SECRET_KEYS: is needed outside embedded mode (kid:base64url of 32 random bytes)')
  }
  if (new Set(stores.map(({ name }) => name)).size !== stores.length) {
    faults.push('STORES: two stores have the same name')
  }
  if (faults.length) throw new ConfigError(faults.join('\n'))
  return Object.freeze({
    port: env.PORT,
    host: env.HOST,
    dataDirectory: env.DATA_DIR,
    databaseUrl: env.DATABASE_URL,
    publicUrl: env.PUBLIC_URL,
    callbackUrls: env.CALLBACK_URLS,
    adminKey: env.ADMIN_KEY,
    secretKeys: env.SECRET_KEYS,
    allowPrivateTargets: env.WEBHOOK_ALLOW_PRIVATE ?? embedded,
    logLevel: env.LOG_LEVEL,
    storePort: env.STORE_PORT ?? (env.PORT === 0 ? 0 : env.PORT + 1),
    stores,
    embeddedCallbackKey: env.EMBEDDED_CALLBACK_KEY,
    runRequests: env.RUN_REQUESTS,
    embeddedStore,
    embedded,
  })
}
