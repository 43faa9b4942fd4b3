// What a log may say of an error: of a failed statement its text and the database's own words, never its parameters.

/** What the query builder throws where a statement fails: its message repeats the parameters. */
interface StatementError extends Error {
  query: string
  params: unknown
}

const isOfStatement = (error: Error): error is StatementError =>
  'query' in error && 'params' in error

export function errorText(error: unknown): string {
  if (!(error instanceof Error) || !isOfStatement(error)) return String(error)
  return `${error.cause ?? 'A statement failed'} in: ${error.query}`
}

/** The same, and where it was thrown. */
export function errorTrace(error: Error): string {
  const { stack = '', message } = error
  const at = stack.indexOf(message)
  return at < 0 ? errorText(error) : errorText(error) + stack.slice(at + message.length)
}
