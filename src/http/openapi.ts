// The OpenAPI document, made from the declarations of the routes.
import type { z } from '@hono/zod-openapi'
import * as contract from '../contract.ts'
import type { Credentials, Scheme } from './authenticate.ts'
import { type Api, type RouteDescription, routesOf } from './route.ts'

const SCHEME_DESCRIPTIONS: Record<'admin' | Scheme, string> = {
  admin: 'The operator’s ADMIN_KEY',
  apiKey: 'An app’s api key (csk_…)',
  owner: 'A user JWT of a registered issuer, a grant, or an api key',
  uploadToken: 'The upload token of this session',
  completionToken: 'The completion token of this session',
}

const SENTENCES: Record<number, string> = {
  200: 'Done',
  201: 'Created',
  202: 'Under way',
  302: 'Elsewhere',
}

const PROBLEM = {
  description: 'A problem (RFC 9457)',
  content: { 'application/problem+json': { schema: contract.problem } },
}

function securityOf(credentials: Credentials): Record<string, string[]>[] {
  if (credentials === 'none' || credentials === 'grantInPath') return []
  return (credentials === 'admin' ? [credentials] : credentials).map((name) => ({ [name]: [] }))
}

const parametersOf = (path: string) =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name: name!,
    in: 'path' as const,
    required: true,
    schema: { type: 'string' as const },
  }))

const answerOf = (status: string, answer: z.ZodType | string) =>
  typeof answer === 'string'
    ? { description: answer }
    : {
        description: SENTENCES[Number(status)] ?? 'An answer',
        content: { 'application/json': { schema: answer } },
      }

function documentRoute(api: Api, description: RouteDescription): void {
  if ('undocumented' in description) return
  const { method, path, summary, credentials, query, body, bodyIsOptional, answers } = description
  const parameters = parametersOf(path)
  const responses = Object.entries(answers).map((entry) => [entry[0], answerOf(...entry)])
  api.openAPIRegistry.registerPath({
    method,
    path,
    summary,
    security: securityOf(credentials),
    request: {
      query,
      body: body && {
        required: !bodyIsOptional,
        content: { 'application/json': { schema: body } },
      },
    },
    ...(parameters.length ? { parameters } : {}),
    responses: { ...Object.fromEntries(responses), default: PROBLEM },
  })
}

/** Call it once, after every route is declared. */
export function documentRoutes(api: Api): void {
  for (const description of routesOf(api)) documentRoute(api, description)
  for (const [name, description] of Object.entries(SCHEME_DESCRIPTIONS)) {
    const scheme = { type: 'http' as const, scheme: 'bearer', description }
    api.openAPIRegistry.registerComponent('securitySchemes', name, scheme)
  }
}

export const openApiJson = (api: Api, publicUrl: string): string =>
  JSON.stringify(
    api.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'Countersign',
        version: '1',
        description: 'Authorises uploads straight to object storage.',
      },
      servers: [{ url: publicUrl }],
    }),
  )
