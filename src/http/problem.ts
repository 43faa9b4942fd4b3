// Renders every error as application/problem+json (RFC 9457). An error that is no Problem is logged and becomes `internal`.
import type { ErrorHandler } from 'hono'
import { errorTrace } from '../core/error-text.ts'
import { databaseFailure } from '../core/ports/database-failure.ts'
import { Problem } from '../core/problem.ts'
import type { Environment, Request } from './environment.ts'
import { PROBLEMS_PATH } from './problems-page.ts'

const PROBLEM_TYPE = 'application/problem+json'

function render(c: Request, problem: Problem, basePath: string): Response {
  const headers = new Headers({ 'content-type': PROBLEM_TYPE, 'cache-control': 'no-store' })
  if (problem.retryAfterSeconds !== undefined) {
    headers.set('retry-after', String(problem.retryAfterSeconds))
  }
  if (problem.status === 401) headers.set('www-authenticate', 'Bearer realm="countersign"')
  const body = {
    type: `${basePath}${PROBLEMS_PATH}#${problem.code}`,
    title: problem.title,
    status: problem.status,
    code: problem.code,
    detail: problem.message,
    instance: `urn:request:${c.get('requestId') ?? 'unnamed'}`,
    ...problem.members,
  }
  return c.newResponse(JSON.stringify(body), problem.status as 400, Object.fromEntries(headers))
}

/**
 * `type` is a reference without scheme and host, so that it is the same at every address of the service, and needs no
 * configuration.
 */
export const problemRenderer = (
  basePath: (bindings: unknown) => string,
): ErrorHandler<Environment> =>
  function renderProblem(thrown, c) {
    const error = databaseProblem(thrown) ?? thrown
    const problem = error instanceof Problem ? error : unexpected()
    // Absent if the configuration is not valid.
    const services: Environment['Variables']['services'] | undefined = c.get('services')
    const requestId = c.get('requestId')
    if (problem !== error) {
      services?.log('error', 'an unexpected error', {
        requestId,
        error: errorTrace(error),
        cause: error.cause instanceof Error ? error.cause.message : undefined,
      })
    } else if (problemIsOurs(problem)) {
      const { code, cause = '' } = problem
      services?.log('warn', problem.title, { requestId, code, cause: String(cause) })
    }
    return render(c, problem, basePath(c.env))
  }

const unexpected = () =>
  new Problem('internal', {
    detail: 'An unexpected error. Repeat the request; if it stays, report the instance.',
  })

const DATABASE_DETAIL = {
  away: 'The database cannot be reached just now. Repeat the request.',
  slow: 'The database took too long and the statement was ended. Repeat the request.',
  busy: 'All connections to the database are in use just now. Repeat the request.',
}

function databaseProblem(error: Error): Problem | undefined {
  const failure = databaseFailure(error)
  return (
    failure &&
    new Problem('database-unavailable', {
      detail: DATABASE_DETAIL[failure],
      // Not drizzle's own error, because its message repeats the statement's parameters.
      cause: error.cause ?? error,
      retryAfterSeconds: failure === 'away' ? 5 : 2,
    })
  )
}

const problemIsOurs = ({ status }: Problem) => status >= 500

/** @example noSuch('grant') */
export const noSuch = (what: string) =>
  new Problem('not-found', { detail: `There is no such ${what}.` })

export const noSuchRoute = () =>
  new Problem('not-found', { detail: 'There is no such route. See /openapi.json.' })
