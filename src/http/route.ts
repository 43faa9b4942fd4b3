// One description of a route yields its handler and its page in the OpenAPI document.
import type { OpenAPIHono, z } from '@hono/zod-openapi'
import * as contract from '../contract.ts'
import { checkStorable } from './body.ts'
import type { Environment, Request } from './environment.ts'

export type Api = OpenAPIHono<Environment>

type Security = 'admin' | 'apiKey' | 'owner' | 'uploadToken' | 'completionToken'

export interface RouteDescription {
  method: 'get' | 'post' | 'put' | 'delete'
  /** With parameters as `{id}`. */
  path: string
  summary: string
  security?: Security[]
  query?: z.ZodObject
  body?: z.ZodType
  /** Status → body, or a sentence where there is none. */
  answers: Record<number, z.ZodType | string>
}

const SENTENCES: Record<number, string> = {
  200: 'Done',
  201: 'Created',
  202: 'Under way',
  302: 'Elsewhere',
}

const parameterNames = (path: string) => [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)

function document(
  api: Api,
  { method, path, summary, security, query, body, answers }: RouteDescription,
) {
  const pathParameters = parameterNames(path).map((name) => ({
    name,
    in: 'path' as const,
    required: true,
    schema: { type: 'string' as const },
  }))
  const responses = Object.fromEntries(
    Object.entries(answers).map(([status, answer]) => [
      status,
      typeof answer === 'string'
        ? { description: answer }
        : {
            description: SENTENCES[Number(status)] ?? 'An answer',
            content: { 'application/json': { schema: answer } },
          },
    ]),
  )
  api.openAPIRegistry.registerPath({
    method,
    path,
    summary,
    security: (security ?? []).map((name) => ({ [name]: [] })),
    request: {
      ...(query ? { query } : {}),
      ...(body
        ? { body: { required: true, content: { 'application/json': { schema: body } } } }
        : {}),
    },
    ...(pathParameters.length ? { parameters: pathParameters } : {}),
    responses: {
      ...responses,
      default: {
        description: 'A problem (RFC 9457)',
        content: { 'application/problem+json': { schema: contract.problem } },
      },
    },
  })
}

export function route(
  api: Api,
  description: RouteDescription,
  handler: (c: Request) => Response | Promise<Response>,
): void {
  document(api, description)
  const path = description.path.replace(/\{(\w+)\}/g, ':$1')
  api.on(description.method.toUpperCase(), path, (c) => {
    checkStorable(c.req.param())
    checkStorable(c.req.query())
    return handler(c as Request)
  })
}

export function documentSecurity(api: Api): void {
  const bearer = (description: string) => ({ type: 'http' as const, scheme: 'bearer', description })
  const schemes: Record<Security, string> = {
    admin: 'The operator’s ADMIN_KEY',
    apiKey: 'An app’s api key (csk_…)',
    owner: 'A user JWT of a registered issuer, a grant, or an api key',
    uploadToken: 'The upload token of this session',
    completionToken: 'The completion token of this session',
  }
  for (const [name, description] of Object.entries(schemes)) {
    api.openAPIRegistry.registerComponent('securitySchemes', name, bearer(description))
  }
}
