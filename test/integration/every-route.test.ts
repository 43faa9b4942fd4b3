// What each route promises, tried on every route that is declared.
import { SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { PROBLEMS, Problem } from '../../src/core/problem.ts'
import { httpApp } from '../../src/http/app.ts'
import { routesOf } from '../../src/http/route.ts'
import { ADMIN_KEY, type Harness, startHarness } from '../support/harness.ts'
import { query } from '../support/invariants.ts'
import {
  type Caller,
  everyRoute,
  ORIGIN,
  pathOf,
  type Route,
  requestOf,
  type Sent,
  startTenant,
  type Tenant,
} from '../support/routes.ts'

let harness: Harness
let routes: Route[]
let tenant: Tenant
let stranger: Tenant

beforeAll(async () => {
  harness = await startHarness()
  tenant = await startTenant(harness)
  stranger = await startTenant(harness)
  routes = await everyRoute(harness, tenant)
})
afterAll(() => harness.stop())

let seen = 0
beforeEach(() => {
  seen = harness.lines.length
})
const errors = () => harness.lines.slice(seen).filter((line) => line.includes('"level":"error"'))

const CALLERS: Caller[] = [
  'admin',
  'api-key',
  'jwt',
  'grant',
  'credentials',
  'upload',
  'completion',
]

const send = ({ method, path, credential, body }: Sent, headers?: Record<string, string>) =>
  harness.call(method, path, credential, body, headers)

/** The code of a refusal, also of one that is told to a client that reads no problems. */
const codeOf = ({ body }: { body: Record<string, any> }) => body.code ?? body.ErrorCode

/** What a route is about, made anew. A session comes along in any case, for its tokens. */
async function thingsOf(route: Route, { of = tenant } = {}) {
  const made = (await route.sample.make?.(of)) ?? {}
  return { ...made, session: made.session ?? (await of.newSession()) }
}

describe('every route', () => {
  it('is declared: none is registered beside', () => {
    const registered = harness.app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path}`)
    const declared = routesOf(harness.app).map(
      ({ method, path }) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`,
    )

    expect(registered).toEqual(declared)
  })

  it('of the API is documented, and only probes and pages are not', () => {
    const undocumented = routesOf(harness.app).filter((route) => 'undocumented' in route)

    expect(undocumented.map(({ path }) => path).sort()).toEqual([
      '/.well-known/jwks.json',
      '/docs/problems',
      '/healthz',
      '/openapi.json',
      '/readyz',
    ])
  })

  it('needs a credential, but for the callbacks of stores', () => {
    const open = routes.filter(({ callers }) => callers.length === 0)
    expect(open.map(({ name }) => name)).toEqual(['POST /v1/callbacks/{store}'])
  })

  it('answers each kind of credential that it declares, as it declares', async () => {
    for (const route of routes) {
      for (const caller of route.callers) {
        const { status, body } = await send(requestOf(route, tenant, caller, await thingsOf(route)))
        const at = { name: route.name, caller, refused: body.StatusCode === 500 }
        expect({ ...at, status }, JSON.stringify(body)).toEqual({
          name: route.name,
          caller,
          refused: false,
          status: expect.toSatisfy((given) => given in (route.description as any).answers),
        })
      }
    }
  }, 60_000)

  it('refuses every other kind of credential, and none at all', async () => {
    let tried = 0
    for (const route of routes.filter(({ callers }) => callers.length)) {
      const things = await thingsOf(route)
      const inPath = route.description.credentials === 'grantInPath'
      const byAdmin = route.callers.includes('admin')
      for (const caller of CALLERS.filter((kind) => !route.callers.includes(kind))) {
        const answer = await send(requestOf(route, tenant, caller, things))
        const unknown = caller === 'admin' || byAdmin || (inPath && caller !== 'grant')
        const code = unknown
          ? 'unauthenticated'
          : route.callers.includes('completion')
            ? 'completion-token-invalid'
            : 'forbidden'
        expect([route.name, caller, codeOf(answer)]).toEqual([route.name, caller, code])
        expect(answer.status).toBe(inPath ? 200 : unknown ? 401 : 403)
        tried++
      }
      const request = requestOf(route, tenant, route.callers[0]!, things)
      for (const credential of [undefined, 'rubbish']) {
        const path = inPath ? pathOf(route, { grant: 'rubbish' }) : request.path
        const answer = await send({ ...request, path, credential })
        expect([route.name, codeOf(answer)]).toEqual([route.name, 'unauthenticated'])
        if (inPath) continue
        expect(answer.status).toBe(401)
        expect(answer.headers.get('www-authenticate')).toContain('Bearer')
      }
    }
    expect(tried).toBeGreaterThan(80)
  }, 60_000)

  it('asks for the credential before it looks at a query or a body', async () => {
    for (const { method, name, callers, credential, ...route } of routes) {
      if (callers.length === 0 || credential === undefined) continue
      const path = `${pathOf({ method, name, callers, credential, ...route })}?nothing=1`
      const { status, body } = await harness.call(method, path, undefined, route.body && '{')
      expect({ name, status, code: body.code }).toEqual({
        name,
        status: 401,
        code: 'unauthenticated',
      })
    }
  })

  it('refuses an origin that the app does not list', async () => {
    const elsewhere = { origin: 'https://evil.example' }
    let tried = 0
    for (const route of routes.filter(({ credential }) => credential !== undefined)) {
      if (route.callers.includes('admin')) continue
      const things = await thingsOf(route)
      for (const caller of route.callers) {
        const request = requestOf(route, tenant, caller, things)
        const { status, body } = await send(request, elsewhere)
        const { name } = route
        expect({ name, caller, status, code: body.code }).toEqual({
          name,
          caller,
          status: 403,
          code: 'forbidden',
        })
        tried++
      }
    }
    expect(tried).toBeGreaterThan(25)
  }, 60_000)

  it('does not have what is another app’s', async () => {
    let tried = 0
    for (const route of routes.filter(({ sample }) => sample.make)) {
      const own = await thingsOf(route)
      const foreign = { ...(await thingsOf(route, { of: stranger })), body: own.body }
      const byAdmin = route.callers.includes('admin')
      for (const caller of route.callers) {
        const inPath = byAdmin ? { ...own, id: 'app_none' } : foreign
        const answer = await send(requestOf(route, tenant, caller, inPath, { own }))
        expect([route.name, caller, answer.status, codeOf(answer)]).toEqual(
          caller === 'completion'
            ? [route.name, caller, 403, 'completion-token-invalid']
            : [route.name, caller, 404, expect.stringMatching(/not-found$/)],
        )
        tried++
        if (!route.sample.bodyNames) continue
        const inBody = await thingsOf(route, { of: stranger })
        const mixed = await send(requestOf(route, tenant, caller, own, { inBody, own }))
        expect([route.name, mixed.status, codeOf(mixed)]).toEqual([
          route.name,
          404,
          'upload-not-found',
        ])
      }
    }
    expect(tried).toBeGreaterThan(20)
  }, 60_000)

  it('takes the body that it declares, and nothing else', async () => {
    for (const route of routes.filter(({ body }) => body)) {
      const { name, method, credential, body, description } = route
      const tries: Array<[string, unknown, Record<string, string>, number]> = [
        ['no JSON', '{', {}, 400],
        ['no object', '[]', {}, 400],
        ['an unknown field', { ...body, nothing: 1 }, {}, 400],
        ['another type', JSON.stringify(body), { 'content-type': 'text/plain' }, 415],
        ['too large', 'x'.repeat(200_000), {}, 413],
      ]
      if (!description.bodyIsOptional) tries.push(['none', undefined, {}, 415])
      for (const [what, bad, headers, expected] of tries) {
        const { status } = await harness.call(method, pathOf(route), credential, bad, headers)
        expect([name, what, status]).toEqual([name, what, expected])
      }
    }
  })

  it('takes the query that it declares, and nothing else', async () => {
    for (const route of routes.filter(({ query }) => query.length)) {
      const { name, method, credential } = route
      const path = `${pathOf(route)}?nothing=1`
      const { status, body } = await harness.call(method, path, credential)
      expect([name, status, body.code]).toEqual([name, 400, 'invalid-request'])
    }
  })
})

describe('text that a database cannot store is refused before anything is asked', () => {
  const NUL = 'a\u0000b'
  const UNSTORABLE = [
    ['U+0000', NUL],
    ['half a pair', 'a\ud800b'],
    ['the other half', '\udc00'],
  ] as const

  /** Copies of the body, each with `bad` in place of one text or name, and the pointer to it. */
  function* spoiled(
    value: unknown,
    bad: string,
    pointer = '',
  ): Generator<{ body: unknown; pointer: string }> {
    if (typeof value === 'string') yield { body: bad, pointer }
    if (typeof value !== 'object' || value === null) return
    if (!Array.isArray(value)) {
      yield { body: { ...value, [bad]: 1 }, pointer: `${pointer}/${bad}` }
    }
    for (const [name, inner] of Object.entries(value)) {
      for (const { body, pointer: at } of spoiled(inner, bad, `${pointer}/${name}`)) {
        const copy = structuredClone(value) as Record<string, unknown>
        copy[name] = body
        yield { body: copy, pointer: at }
      }
    }
  }

  const refusal = (pointer: string) => ({
    status: 400,
    code: 'invalid-request',
    pointers: [pointer],
  })
  const shown = ({ status, body }: { status: number; body: Record<string, any> }) => ({
    status,
    code: body.code,
    pointers: body.errors?.map((error: { pointer: string }) => error.pointer),
  })

  it.each(UNSTORABLE)('%s anywhere in a body', async (_, bad) => {
    let tried = 0
    for (const route of routes.filter(({ body }) => body)) {
      for (const { body, pointer } of spoiled(route.body, bad)) {
        const { method, credential, name } = route
        const answer = await harness.call(method, pathOf(route), credential, body)
        expect({ name, ...shown(answer) }).toEqual({ name, ...refusal(pointer) })
        tried++
      }
    }
    expect(tried).toBeGreaterThan(50)
    expect(errors()).toEqual([])
  })

  it('U+0000 in a path', async () => {
    for (const route of routes) {
      for (const parameter of Object.keys(route.values)) {
        const { method, credential, body, name } = route
        const path = pathOf(route, { [parameter]: 'a%00b' })
        const answer = await harness.call(method, path, credential, body)
        expect({ name, ...shown(answer) }).toEqual({ name, ...refusal(`/${parameter}`) })
      }
    }
    expect(errors()).toEqual([])
  })

  it('U+0000 in a query', async () => {
    for (const route of routes) {
      for (const parameter of route.query) {
        const { method, credential, body, name } = route
        const path = `${pathOf(route)}?${parameter}=a%00b`
        const answer = await harness.call(method, path, credential, body)
        expect({ name, ...shown(answer) }).toEqual({ name, ...refusal(`/${parameter}`) })
      }
    }
    expect(errors()).toEqual([])
  })

  it('bytes that are no UTF-8 in a path or a query find nothing, and break nothing', async () => {
    for (const route of routes) {
      const { method, credential, body, name, values, query } = route
      const bad = 'a%ED%A0%80b'
      const paths = [
        ...Object.keys(values).map((parameter) => pathOf(route, { [parameter]: bad })),
        ...query.map((parameter) => `${pathOf(route)}?${parameter}=${bad}`),
      ]
      for (const path of paths) {
        const { status } = await harness.call(method, path, credential, body)
        expect({ name, broken: status >= 500 }).toEqual({ name, broken: false })
      }
    }
    expect(errors()).toEqual([])
  })

  it('a body that is nested without end', async () => {
    const nested = `${'['.repeat(60_000)}${']'.repeat(60_000)}`
    const route = routes.find(({ name }) => name === 'POST /v1/apps/{id}/issuers')!
    const answer = await harness.call(
      route.method,
      pathOf(route),
      route.credential,
      `{"publicKeys":[{"deep":${nested}}]}`,
    )

    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid-request' } })
    expect(errors()).toEqual([])
  })

  it.each(['iss', 'aud', 'sub', 'policy'])(
    'in the claim %s of a JWT: it is not valid',
    async (claim) => {
      const app = await harness.createApp()
      const secret = 'a-shared-secret-of-32-characters!'
      const audience = `app-${claim}`
      await harness.call('POST', `/v1/apps/${app.id}/issuers`, ADMIN_KEY, {
        issuer: 'https://id.example',
        audience,
        secret,
        algorithms: ['HS256'],
        policyClaim: 'policy',
      })
      const list = async (claims: Record<string, unknown>) => {
        const token = await new SignJWT({
          iss: 'https://id.example',
          aud: audience,
          sub: 'ada',
          ...claims,
        })
          .setProtectedHeader({ alg: 'HS256' })
          .setExpirationTime(Math.floor(harness.clock().getTime() / 1000) + 600)
          .sign(new TextEncoder().encode(secret))
        return harness.call('GET', '/v1/uploads', token)
      }

      expect((await list({})).status).toBe(200)
      for (const [, bad] of UNSTORABLE) {
        const values = claim === 'aud' ? [bad, [audience, bad]] : [bad]
        for (const value of values) {
          expect(await list({ [claim]: value })).toMatchObject({
            status: 401,
            body: { code: 'unauthenticated' },
          })
        }
      }
      expect(errors()).toEqual([])
    },
  )
})

it('the OpenAPI document is made once, and names every route', async () => {
  const made = vi.spyOn(harness.app, 'getOpenAPI31Document')
  const [first, second] = [
    await harness.call('GET', '/openapi.json'),
    await harness.call('GET', '/openapi.json'),
  ]

  expect(made).toHaveBeenCalledTimes(1)
  expect(first!.body.servers).toEqual([{ url: 'http://countersign.test' }])
  expect(Object.keys(first!.body.paths)).toEqual([...new Set(routes.map(({ path }) => path))])
  expect(second).toMatchObject({ status: 200, body: first!.body })
  made.mockRestore()
})

describe('the page that a problem’s type points to', () => {
  it('lists each code with its status and advice, and runs no script', async () => {
    const answer = await harness.app.request('/docs/problems')
    const page = await answer.text()
    const sections = page.matchAll(
      /<section id="(.+)">\s*<h2>.* · (\d+)<\/h2>\s*<p><strong>.+<\/strong> .+<\/p>/g,
    )

    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect([...sections].map(([, code, status]) => [code, Number(status)])).toEqual(
      Object.entries(PROBLEMS).map(([code, { status }]) => [code, status]),
    )
    expect(page).not.toMatch(/<script|`/)
  })

  it('is served while the service is not configured', async () => {
    const app = httpApp({
      basePath: () => '/uploads',
      servicesFor: () => {
        throw new Problem('misconfigured', { detail: 'The operator has to set: X.' })
      },
    })
    const refused = await app.request('/uploads/v1/uploads')
    const { type } = (await refused.json()) as { type: string }

    expect([refused.status, type]).toEqual([500, '/uploads/docs/problems#misconfigured'])
    expect((await app.request(type)).status).toBe(200)
  })
})

describe('a browser of any origin can read each refusal', () => {
  const FROM_PAGE = { origin: ORIGIN }
  const READABLE = 'access-control-allow-origin'
  type Try = (route: Route) => Promise<{ status: number; headers: Headers }>
  const sendFromPage = (
    route: Route,
    more: { path?: string; credential?: string; body?: unknown } = {},
  ) => {
    const given = { path: pathOf(route), credential: route.credential, body: route.body, ...more }
    return harness.call(route.method, given.path, given.credential, given.body, FROM_PAGE)
  }
  const failing = (error: () => Error) => {
    const app = httpApp({
      servicesFor: () => {
        throw error()
      },
    })
    return async (route: Route) =>
      app.request(pathOf(route), { method: route.method, headers: FROM_PAGE })
  }

  const refusals: Array<[string, number[], Try]> = [
    ['without a credential', [401], (route) => sendFromPage(route, { credential: undefined })],
    ['with another', [401, 403, 404], (route) => sendFromPage(route, { credential: 'rubbish' })],
    [
      'of what is not there',
      [404, 403],
      async (route) => sendFromPage(route, { path: `${pathOf(route)}/x/y/z` }),
    ],
    [
      'of a malformed query',
      [400, 401, 404],
      (route) => sendFromPage(route, { path: `${pathOf(route)}?limit=%00` }),
    ],
    [
      'of a body that is too large',
      [413],
      (route) => sendFromPage(route, route.body && { body: 'x'.repeat(200_000) }),
    ],
    [
      'of a body that is no JSON',
      [400],
      (route) => sendFromPage(route, route.body && { body: '{' }),
    ],
    [
      'of a method that is not offered',
      [404],
      async (route) =>
        harness.app.request(pathOf(route), { method: 'TRACEROUTE', headers: FROM_PAGE }),
    ],
    [
      'while the service is not configured',
      [500],
      failing(() => new Problem('misconfigured', { detail: 'The operator has to set: X.' })),
    ],
    ['for a fault of ours', [500], failing(() => new Error('unexpected'))],
  ]

  it.each(refusals)('%s', async (_, statuses, refused) => {
    let tried = 0
    for (const route of routes) {
      const { status, headers } = await refused(route)
      if (statuses.includes(status)) tried++
      expect({ name: route.name, readable: headers.get(READABLE) }).toEqual({
        name: route.name,
        readable: '*',
      })
    }
    expect(tried).toBeGreaterThan(5)
  })

  it('while the database fails', async () => {
    await query(harness, 'alter table apps rename to elsewhere')
    const answers = []
    for (const route of routes)
      answers.push([route.name, (await sendFromPage(route)).headers.get(READABLE)])
    await query(harness, 'alter table elsewhere rename to apps')

    expect(answers).toEqual(routes.map(({ name }) => [name, '*']))
  })

  it('and passes the preflight, whatever the state of the service', async () => {
    const broken = failing(() => new Error('unexpected'))
    for (const route of routes) {
      const { status, headers } = await broken({ ...route, method: 'OPTIONS' })
      expect({
        name: route.name,
        status,
        origin: headers.get(READABLE),
        methods: headers.get('access-control-allow-methods')?.split(',').includes(route.method),
      }).toEqual({ name: route.name, status: 204, origin: '*', methods: true })
    }
  })
})
