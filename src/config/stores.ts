// The part of the environment that says which stores there are: one by STORE_ variables, more as a JSON list.
import { z } from 'zod'
import { inWords } from './faults.ts'
import { addressing, endpoint, flag, httpUrl, publicEndpoint, time } from './values.ts'

const storeSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be of a-z, 0-9 and -'),
  dialect: z.enum(['oss']),
  product: z.string().optional(),
  endpoint: endpoint.default('public'),
  publicEndpoint: publicEndpoint.optional(),
  region: z.string().regex(/^[a-z0-9-]+$/, 'must be like cn-hangzhou'),
  bucket: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/,
      'must be the name of a bucket: 3 to 63 of a-z, 0-9 and -',
    ),
  /** Absent: as the form of each endpoint tells. */
  addressing: addressing.optional(),
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().optional(),
  credentialsExpireAt: time.optional(),
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

export const storeVariables = {
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
  STORE_CREDENTIALS_EXPIRE_AT: time
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
}
type Environment = z.infer<z.ZodObject<typeof storeVariables>>

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

/** Puts what is wrong, each by its variable's name, to the faults. */
export function parseStores(env: Environment, faults: string[]): StoreConfig[] {
  const { stores, faults: listFaults } = storesOf(env)
  faults.push(...listFaults)
  return stores.flatMap((store, index) => {
    const parsed = storeSchema.safeParse(store, { error: inWords })
    if (parsed.success) return [parsed.data]
    const fromVariables = env.STORE_DIALECT !== undefined && index === 0
    for (const { path, message } of parsed.error.issues) {
      const where = fromVariables
        ? `STORE_${upperSnake(String(path[0] ?? ''))}`
        : [`STORES[${index - (env.STORE_DIALECT ? 1 : 0)}]`, ...path].join('.')
      faults.push(`${where}: ${message}`)
    }
    return []
  })
}
