// A route is declared once. The declaration authenticates, validates, and documents; the handler gets what passed.
import type { OpenAPIHono, z } from '@hono/zod-openapi'
import type { GrantUse } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { authenticate, type CredentialOf, type Credentials } from './authenticate.ts'
import { checkStorable, readJson, validate } from './body.ts'
import type { Environment, Request, RequestServices } from './environment.ts'

export type Api = OpenAPIHono<Environment>

type ParameterName<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParameterName<Rest>
  : never

interface Documented {
  summary: string
  /** Status → body, or a sentence where there is none. */
  answers: Record<number, z.ZodType | string>
}

/** Left out of the OpenAPI document: the service's own pages and probes. */
interface Undocumented {
  undocumented: true
}

interface Declaration<
  Path extends string,
  Declared extends Credentials,
  Body extends z.ZodType,
  Query extends z.ZodObject,
> {
  method: 'get' | 'post' | 'put' | 'delete'
  /** With parameters as `{id}`. */
  path: Path
  credentials: Declared
  /** The use that a grant needs here; `api` unless given. */
  grantUse?: GrantUse
  /** Schemas of path parameters that are more than any storable text. */
  params?: Partial<Record<ParameterName<Path>, z.ZodType<string>>>
  query?: Query
  body?: Body
  /** An empty body is taken for `{}`. */
  bodyIsOptional?: boolean
  /** Headers of every answer. */
  headers?: Record<string, string>
  /** Answers a refusal of the credential or the handler, for clients that read no problems. */
  refuse?: (c: Request, problem: Problem) => Response
  /** Called with verified input. */
  handle(c: Request, given: Given<Path, Declared, Body, Query>): Response | Promise<Response>
}

export type RouteDescription<
  Path extends string = string,
  Declared extends Credentials = Credentials,
  Body extends z.ZodType = z.ZodType,
  Query extends z.ZodObject = z.ZodObject,
> = Declaration<Path, Declared, Body, Query> & (Documented | Undocumented)

interface Given<
  Path extends string,
  Declared extends Credentials,
  Body extends z.ZodType,
  Query extends z.ZodObject,
> {
  services: RequestServices
  credential: CredentialOf<Declared>
  params: Record<ParameterName<Path>, string>
  query: z.infer<Query>
  body: z.infer<Body>
}

const declarations = new WeakMap<Api, RouteDescription[]>()

/** Every route of this app, in the order of declaration. */
export const routesOf = (api: Api): readonly RouteDescription[] => declarations.get(api) ?? []

/**
 * Checks in this order: storable text in path and query, credential, path, query, body. The first that fails answers.
 *
 * @example
 * route(api, {
 *   method: 'get',
 *   path: '/v1/things/{id}',
 *   summary: '…',
 *   credentials: ['apiKey'],
 *   answers: { 200: contract.thing },
 *   handle: async (c, { services, credential, params }) =>
 *     c.json(await findThing(services, credential.appId, params.id)),
 * })
 */
export function route<
  const Path extends string,
  const Declared extends Credentials,
  Body extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodObject = z.ZodObject<Record<never, never>>,
>(api: Api, declared: RouteDescription<Path, Declared, Body, Query>): void {
  const description = declared as RouteDescription
  const { method, path, credentials, grantUse = 'api', headers = {}, refuse } = description
  const { params = {}, query, body, bodyIsOptional } = description
  declarations.set(api, [...routesOf(api), description])

  const answer = async (c: Request) => {
    const credential = await authenticate(c, credentials, grantUse)
    for (const [name, schema] of Object.entries<z.ZodType>(params)) {
      validate(schema, c.req.param(name))
    }
    return description.handle(c, {
      services: c.get('services'),
      credential,
      params: c.req.param(),
      query: query && validate(query, c.req.query()),
      body: body && (await readJson(c, body, { optional: bodyIsOptional })),
    } as Parameters<RouteDescription['handle']>[1])
  }

  api.on(method.toUpperCase(), path.replace(/\{(\w+)\}/g, ':$1'), async (context) => {
    const c = context as Request
    checkStorable(c.req.param())
    checkStorable(c.req.query())
    for (const [name, value] of Object.entries(headers)) c.header(name, value)
    try {
      return await answer(c)
    } catch (error) {
      if (refuse && error instanceof Problem) return refuse(c, error)
      throw error
    }
  })
}
