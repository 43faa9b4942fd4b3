// Writes errors for the log. For a failed statement that is its text and the database's message, never its parameters.

/** Thrown by the query builder when a statement fails. Its message repeats the parameters. */
interface StatementError extends Error {
  query: string
  params: unknown
}

const isStatementError = (error: Error): error is StatementError =>
  'query' in error && 'params' in error

export function errorText(error: unknown): string {
  if (!(error instanceof Error) || !isStatementError(error)) return String(error)
  return `${error.cause ?? 'A statement failed'} in: ${error.query}`
}

/** The text with the stack. */
export function errorTrace(error: Error): string {
  const { stack = '', message } = error
  const at = stack.indexOf(message)
  return at < 0 ? errorText(error) : errorText(error) + stack.slice(at + message.length)
}
