// Every documented route with a valid request, for tests of a promise that all routes make.
import { ADMIN_KEY, type Harness } from './harness.ts'

/** A body for each route that has one. A new route joins by one line. */
const BODIES: Record<string, Record<string, unknown>> = {
  'POST /v1/apps': {
    name: 'a name',
    keyPrefix: 'prefix',
    allowedOrigins: ['https://a.example'],
    policy: { store: 'default', object: { tags: { a: 'b' } }, userMessage: 'text' },
  },
  'PUT /v1/apps/{id}/policies/{name}': {
    store: 'default',
    contentTypes: ['image/*'],
    keyTemplate: '{subject}/{uploadId}/{filename}',
    object: { contentDisposition: 'inline', tags: { a: 'b' }, metadata: { a: 'b' } },
    userMessage: 'text',
  },
  'POST /v1/apps/{id}/issuers': {
    issuer: 'https://id.example',
    audience: 'app',
    publicKeys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', more: { deep: ['text'] } }],
    algorithms: ['ES256'],
    policies: ['default'],
    subjectClaim: 'sub',
    policyClaim: 'policy',
  },
  'POST /v1/grants': { subject: 'ada', policy: 'default' },
  'POST /v1/webhook-endpoints': {
    url: 'https://hooks.example/a',
    events: ['upload.completed'],
  },
  'POST /v1/uploads': {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: 9,
    contentType: 'text/plain',
    fingerprint: 'print',
    checksum: 'crc64:1',
    metadata: { a: 'b' },
    policy: 'default',
  },
  'POST /v1/uploads/{id}/parts': { partNumbers: [1], checksums: { 1: 'md5:aaaa' } },
  'POST /v1/uploads/{id}/complete': { checksum: 'crc64:1' },
  'POST /v1/uploads/{id}/copies': { source: 'upl_1', parts: [[1, 1]] },
  'POST /v1/credentials': { subject: 'ada', filename: 'a.bin', contentType: 'text/plain' },
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
  credential: string | undefined
}

/** The path with its parameters filled in; `given` overrides the route's own values. */
export const pathOf = ({ path, values }: Route, given: Record<string, string> = {}): string =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => given[name] ?? values[name]!)

/** The routes of the OpenAPI registry, each with a credential that it accepts. */
export async function everyRoute(harness: Harness): Promise<Route[]> {
  const { id, apiKey } = await harness.createApp({ direct: true, readBack: true, delta: true })
  const { body: session } = await harness.call('POST', '/v1/uploads', apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: 300_000,
    partSizeBytes: 102_400,
  })
  const credentials: Record<string, string> = {
    admin: ADMIN_KEY,
    apiKey,
    owner: apiKey,
    uploadToken: session.uploadToken,
    completionToken: session.completionToken,
  }
  return harness.app.openAPIRegistry.definitions.flatMap((definition) => {
    if (definition.type !== 'route') return []
    const { method, path, security, request } = definition.route
    const name = `${method.toUpperCase()} ${path}`
    const body = BODIES[name]
    if (Boolean(request?.body) !== Boolean(body)) throw new Error(`BODIES has no line for ${name}`)
    const [kind] = Object.keys(security?.[0] ?? {})
    const query = request?.query as { shape: object } | undefined
    const own: Record<string, string> = { apps: id, uploads: session.id }
    const values = [...path.matchAll(/(\w+)\/\{(\w+)\}/g)].map(([, before, parameter]) => [
      parameter!,
      own[before!] ?? 'none',
    ])
    return {
      name,
      method: method.toUpperCase(),
      path,
      values: Object.fromEntries(values),
      query: Object.keys(query?.shape ?? {}),
      body,
      credential: kind && credentials[kind],
    }
  })
}
