// Parses the environment once. Declares every variable with its default and description, except those of stores. Reports all
// faults together, by name.
import { z } from 'zod'
import { callbackUrls } from './config/callback-urls.ts'
import { ConfigError, inWords, misspeltFaults, type Variables } from './config/faults.ts'
import { operationOf, operationVariables } from './config/operation.ts'
import { parseStores, STORE_VARIABLES } from './config/stores.ts'
import { flag, port, secretKeys } from './config/values.ts'
import { LEAST_RUN } from './core/ports/budget.ts'
import { httpUrl } from './net/http-url.ts'

export { ConfigError, type Variables } from './config/faults.ts'
export type { StoreConfig } from './storage/settings.ts'

const MIN_ADMIN_KEY = 24
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/i

const environmentSchema = z.object({
  PORT: port.default(8787).describe('Port of the service'),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on'),
  DATA_DIR: z
    .string()
    .default('.countersign')
    .describe('Folder of the embedded database, the embedded store and generated keys'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//i, 'must be like postgres://user:password@host:5432/database')
    .optional()
    .describe('PostgreSQL 15 or newer; absent: embedded'),
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
      'List kid:base64url, separated by commas; the first signs and seals, all verify and open. To rotate: docs/operations.md',
    ),
  WEBHOOK_ALLOW_PRIVATE: flag
    .optional()
    .describe('Also send to http, loopback and private addresses; default only in embedded mode'),
  LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('Least level logged'),
  ...operationVariables,
  STORE_PORT: port
    .optional()
    .describe('Port of the embedded store; default PORT + 1, or a free one'),
  EMBEDDED_CALLBACK_KEY: z
    .string()
    .optional()
    .describe('For tests: public key (PEM) of an embedded store in another process'),
  RUN_REQUESTS: z.coerce
    .number()
    .int()
    .min(LEAST_RUN)
    .default(800)
    .describe('Workers: store calls, webhooks and statements of one scheduled run; the rest waits'),
})

/** docs/configuration.md is generated from them. */
export const VARIABLES = [
  ...Object.entries(environmentSchema.shape).map(([name, schema]) => ({
    name,
    description: schema.description ?? '',
  })),
  ...STORE_VARIABLES,
]

export type Config = ReturnType<typeof parseConfig>

/** `given` are the variables that are not empty. `faults` are those of stores; it throws if there is any other. */
function parseEnvironment(variables: Variables) {
  const given: Variables = Object.fromEntries(
    Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''),
  )
  const faults = misspeltFaults(
    given,
    VARIABLES.map(({ name }) => name),
  )
  const parsed = environmentSchema.safeParse(given, { error: inWords })
  for (const { path, message } of parsed.error?.issues ?? []) {
    faults.push(`${path.join('.')}: ${message}`)
  }
  const ofStores = parseStores(given)
  if (!parsed.data || faults.length) {
    throw new ConfigError([...faults, ...ofStores.faults].join('\n'))
  }
  return { env: parsed.data, given, ...ofStores }
}

/** 0 means any free port, also after the last one. */
const portAfter = (number: number) => (number === 0 || number === 65_535 ? 0 : number + 1)

/** For a tool that needs no keys of the service. An empty list means the embedded store. */
export function parseStoreConfigs(variables: Variables) {
  const { env, stores, faults } = parseEnvironment(variables)
  if (faults.length) throw new ConfigError(faults.join('\n'))
  return { stores, dataDirectory: env.DATA_DIR }
}

/** For a tool that seals the database's secrets anew. */
export function parseSecretKeys(variables: Variables) {
  const { DATABASE_URL, SECRET_KEYS } = parseEnvironment({
    DATABASE_URL: variables.DATABASE_URL,
    SECRET_KEYS: variables.SECRET_KEYS,
  }).env
  if (DATABASE_URL && SECRET_KEYS) return { databaseUrl: DATABASE_URL, secretKeys: SECRET_KEYS }
  const absent = Object.entries({ DATABASE_URL, SECRET_KEYS }).filter(([, value]) => !value)
  throw new ConfigError(absent.map(([name]) => `${name}: is needed here`).join('\n'))
}

export type Needed = 'DATABASE_URL' | 'PUBLIC_URL' | 'STORE_DIALECT'

/** Throws ConfigError with every missing or wrong variable. `needed` are required because the caller embeds nothing. */
export function parseConfig(variables: Variables, needed: readonly Needed[] = []) {
  const { env, given, stores, faults } = parseEnvironment(variables)
  const embeddedStore = !given.STORE_DIALECT && !given.STORES
  const embedded = embeddedStore && LOOPBACK.test(env.HOST) && !needed.length
  for (const name of needed) {
    if (!given[name] && !(name === 'STORE_DIALECT' && given.STORES)) {
      faults.push(`${name}: is not set; here, where nothing is embedded, it is needed`)
    }
  }
  if (!embedded) {
    if (!env.ADMIN_KEY)
      faults.push(
        'ADMIN_KEY: is not set; outside embedded mode it is needed (24 characters or more)',
      )
    if (!env.SECRET_KEYS)
      faults.push(
        'SECRET_KEYS: is not set; outside embedded mode it is needed (kid:base64url of 32 random bytes)',
      )
  }
  if (embeddedStore && env.STORE_PORT && env.STORE_PORT === env.PORT) {
    faults.push('STORE_PORT: is the same as PORT; leave it out, or give another')
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
    ...operationOf(env, embedded),
    publicUrl: env.PUBLIC_URL,
    callbackUrls: env.CALLBACK_URLS,
    adminKey: env.ADMIN_KEY,
    secretKeys: env.SECRET_KEYS,
    allowPrivateTargets: env.WEBHOOK_ALLOW_PRIVATE ?? embedded,
    logLevel: env.LOG_LEVEL,
    storePort: env.STORE_PORT ?? portAfter(env.PORT),
    stores,
    embeddedCallbackKey: env.EMBEDDED_CALLBACK_KEY,
    runRequests: env.RUN_REQUESTS,
    /** True if the store "default" is the embedded one. */
    embeddedStore,
    /** Embedded store on a loopback host: keys are generated, and a demo app. */
    embedded,
  })
}
