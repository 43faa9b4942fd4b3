// Every declared route with a request that it answers: promises about all routes are tried on these. A route without a sample
// fails the suite, and so does a sample without a route.
import { SignJWT } from 'jose'
import { SCHEMES } from '../../src/http/authenticate.ts'
import { type RouteDescription, routesOf } from '../../src/http/route.ts'
import { ADMIN_KEY, type Harness, putPart, someBytes } from './harness.ts'

/** The only origin of each tenant's app. */
export const ORIGIN = 'https://page.example'

const SECRET = 'a-shared-secret-of-32-characters!'
const SIZE = 300_000

/** An app with a credential of each kind, all of which reach the sessions of its subject. */
export type Tenant = Awaited<ReturnType<typeof startTenant>>

/** Who sends a request. A grant is for one use only. */
export type Caller = 'admin' | 'api-key' | 'jwt' | 'grant' | 'credentials' | 'upload' | 'completion'

export async function startTenant(harness: Harness) {
  const call = async (path: string, credential: string, body: Record<string, unknown>) => {
    const answer = await harness.call('POST', path, credential, body)
    if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const policy = {
    direct: true,
    readBack: true,
    delta: true,
    credentials: true,
    maxSizeBytes: 1_000_000,
    singleMaxBytes: 0,
  }
  const app = await call('/v1/apps', ADMIN_KEY, { name: 'test', policy, allowedOrigins: [ORIGIN] })
  const { id, apiKey } = app
  await call(`/v1/apps/${id}/issuers`, ADMIN_KEY, {
    issuer: `https://${id}.example`,
    audience: 'app',
    secret: SECRET,
    algorithms: ['HS256'],
    subjectPrefix: 'id:',
  })
  const jwt = await new SignJWT({ iss: `https://${id}.example`, aud: 'app', sub: 'ada' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(Math.floor(harness.clock().getTime() / 1000) + 3600)
    .sign(new TextEncoder().encode(SECRET))
  const newGrant = (use: string) =>
    call('/v1/grants', apiKey, { subject: 'id:ada', use, maxUploads: 1000 })
  const grant = (await newGrant('api')).grant
  const credentials = (await newGrant('credentials')).grant
  await call('/v1/credentials', credentials, { filename: 'a.bin' })
  const newEndpoint = async () =>
    (await call('/v1/webhook-endpoints', apiKey, { url: 'https://hooks.example/a' })).id as string
  const newSession = () =>
    call('/v1/uploads', grant, { filename: 'a.bin', sizeBytes: SIZE, partSizeBytes: SIZE })

  async function newStored() {
    const session = await newSession()
    await putPart(session.parts[0], someBytes(SIZE), SIZE)
    return session
  }

  async function newCompleted() {
    const session = await newStored()
    await call(`/v1/uploads/${session.id}/complete`, session.completionToken, {})
    return session
  }

  async function newDelivery() {
    await newEndpoint()
    const { id: upload } = await newSession()
    const { body } = await harness.call('GET', `/v1/uploads/${upload}/deliveries`, apiKey)
    return body.deliveries[0].id as string
  }

  return {
    id: id as string,
    callers: { admin: ADMIN_KEY, 'api-key': apiKey as string, jwt, grant, credentials },
    newGrant,
    newEndpoint,
    newSession,
    newStored,
    newCompleted,
    newDelivery,
  }
}

/** What a request names: the value of the path's last parameter but a name, and the session whose tokens may be used. */
interface Things {
  id?: string
  session?: Record<string, any>
  /** Stands in for the sample's body, where it names something or has to fit it. */
  body?: Record<string, unknown>
}

interface Sample {
  /** With a text for each field that takes one. */
  body?: Record<string, unknown>
  /** Values of path parameters that are no ids. */
  values?: Record<string, string>
  /** Makes what the request is about. Needed for a route with `{id}`. */
  make?: (tenant: Tenant) => Promise<Things>
  /** The body names a thing of a tenant, too. */
  bodyNames?: true
}

const app = async ({ id }: Tenant): Promise<Things> => ({ id })
const as = (session: Record<string, any>): Things => ({ id: session.id, session })
const openSession = async (tenant: Tenant) => as(await tenant.newSession())
const storedSession = async (tenant: Tenant) => as(await tenant.newStored())
const completedSession = async (tenant: Tenant) => as(await tenant.newCompleted())

const SAMPLES: Record<string, Sample> = {
  'POST /v1/apps': {
    body: {
      name: 'a name',
      keyPrefix: 'prefix',
      allowedOrigins: ['https://a.example'],
      policy: { store: 'default', object: { tags: { a: 'b' } }, userMessage: 'text' },
    },
  },
  'GET /v1/apps': {},
  'PUT /v1/apps/{id}/policies/{name}': {
    make: app,
    values: { name: 'other' },
    body: {
      store: 'default',
      contentTypes: ['image/*'],
      keyTemplate: '{subject}/{uploadId}/{filename}',
      object: { contentDisposition: 'inline', tags: { a: 'b' }, metadata: { a: 'b' } },
      userMessage: 'text',
    },
  },
  'POST /v1/apps/{id}/issuers': {
    make: app,
    body: {
      issuer: 'https://id.example',
      audience: 'app',
      publicKeys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', more: { deep: ['text'] } }],
      algorithms: ['ES256'],
      policies: ['default'],
      subjectClaim: 'sub',
      policyClaim: 'policy',
    },
  },
  'POST /v1/grants': { body: { subject: 'ada', policy: 'default' } },
  'DELETE /v1/grants/{id}': { make: async ({ newGrant }) => ({ id: (await newGrant('api')).id }) },
  'POST /v1/webhook-endpoints': {
    body: {
      url: 'https://hooks.example/a',
      events: ['upload.completed'],
    },
  },
  'GET /v1/webhook-endpoints/{id}/deliveries': {
    make: async ({ newEndpoint }) => ({ id: await newEndpoint() }),
  },
  'POST /v1/deliveries/{id}/replay': {
    make: async ({ newDelivery }) => ({ id: await newDelivery() }),
  },
  'POST /v1/uploads': {
    body: {
      subject: 'ada',
      filename: 'a.bin',
      sizeBytes: 9,
      contentType: 'text/plain',
      fingerprint: 'print',
      checksum: 'crc64:1',
      metadata: { a: 'b' },
      policy: 'default',
    },
  },
  'GET /v1/uploads': {},
  'GET /v1/uploads/{id}': { make: openSession },
  'DELETE /v1/uploads/{id}': { make: openSession },
  'GET /v1/uploads/{id}/object': { make: completedSession },
  'GET /v1/uploads/{id}/deliveries': { make: openSession },
  'POST /v1/uploads/{id}/parts': {
    make: openSession,
    body: { partNumbers: [1], checksums: { 1: 'md5:aaaa' } },
  },
  'POST /v1/uploads/{id}/complete': {
    make: async (tenant) => ({ ...(await storedSession(tenant)), body: { sizeBytes: SIZE } }),
    body: { checksum: 'crc64:1' },
  },
  'POST /v1/uploads/{id}/copies': {
    make: async (tenant) => ({
      ...(await openSession(tenant)),
      body: { source: (await tenant.newCompleted()).id, parts: [[1, 1]] },
    }),
    bodyNames: true,
    body: { source: 'upl_1', parts: [[1, 1]] },
  },
  'POST /v1/callbacks/{store}': { values: { store: 'default' } },
  'POST /v1/credentials': {
    body: { subject: 'ada', filename: 'a.bin', contentType: 'text/plain' },
  },
  'GET /oss/credentials/{grant}': {},
}

export interface Route {
  name: string
  method: string
  /** Parameters are written as `{id}`. */
  path: string
  /** A value for each path parameter. */
  values: Record<string, string>
  query: string[]
  body: Record<string, unknown> | undefined
  /** Who may call it; nobody where it takes no credential. */
  callers: readonly Caller[]
  /** One that it takes in a header. */
  credential: string | undefined
  description: RouteDescription
  sample: Sample
}

/** The path with its parameters filled in; `given` overrides the route's own values. */
export const pathOf = ({ path, values }: Route, given: Record<string, string> = {}): string =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => given[name] ?? values[name]!)

export interface Sent {
  method: string
  path: string
  credential: string | undefined
  body: Record<string, unknown> | undefined
}

const credentialOf = (tenant: Tenant, caller: Caller, { session }: Things): string =>
  caller === 'upload' || caller === 'completion'
    ? session![`${caller}Token`]
    : tenant.callers[caller]

/** The request of this caller. Its path and its body may name things of different tenants. */
export function requestOf(
  route: Route,
  tenant: Tenant,
  caller: Caller,
  inPath: Things,
  { inBody = inPath, own = inPath } = {},
): Sent {
  const credential = credentialOf(tenant, caller, own)
  const isInPath = route.description.credentials === 'grantInPath'
  const { subject, ...others } = inBody.body ?? route.body ?? {}
  const ofSubject = subject !== undefined && caller === 'api-key' ? { subject } : {}
  return {
    method: route.method,
    path: pathOf(route, { ...(inPath.id ? { id: inPath.id } : {}), grant: credential }),
    credential: isInPath ? undefined : credential,
    body: route.body && { ...others, ...ofSubject },
  }
}

function callersOf({ credentials, grantUse = 'api' }: RouteDescription): Caller[] {
  if (credentials === 'none') return []
  if (credentials === 'admin') return ['admin']
  const kinds =
    credentials === 'grantInPath'
      ? ['grant' as const]
      : credentials.flatMap((name) => [...SCHEMES[name]])
  return kinds.map((kind) =>
    kind === 'grant' && grantUse === 'credentials' ? 'credentials' : kind,
  )
}

/** The routes of the API with their samples. */
export async function everyRoute(harness: Harness, tenant: Tenant): Promise<Route[]> {
  const documented = routesOf(harness.app).filter((route) => !('undocumented' in route))
  const nameOf = ({ method, path }: RouteDescription) => `${method.toUpperCase()} ${path}`
  const names = documented.map(nameOf)
  const stale = Object.keys(SAMPLES).filter((name) => !names.includes(name))
  if (stale.length) throw new Error(`SAMPLES has ${stale}, which is no route`)
  return Promise.all(
    documented.map(async (description) => {
      const { method, path, query, body, credentials } = description
      const name = nameOf(description)
      const sample = SAMPLES[name]
      if (!sample) throw new Error(`SAMPLES has no line for ${name}`)
      if (Boolean(body) !== Boolean(sample.body)) throw new Error(`${name}: a body, or none?`)
      if (path.includes('{id}') !== Boolean(sample.make)) throw new Error(`${name}: no id is made`)
      const things = (await sample.make?.(tenant)) ?? {}
      const callers = callersOf(description)
      const inHeader = callers[0] !== undefined && credentials !== 'grantInPath'
      return {
        name,
        method: method.toUpperCase(),
        path,
        values: Object.fromEntries(
          [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => [
            parameter!,
            { id: things.id, grant: tenant.callers.credentials, ...sample.values }[parameter!]!,
          ]),
        ),
        query: Object.keys(query?.shape ?? {}),
        body: sample.body,
        callers,
        credential: inHeader
          ? credentialOf(tenant, callers.includes('api-key') ? 'api-key' : callers[0]!, things)
          : undefined,
        description,
        sample,
      }
    }),
  )
}
