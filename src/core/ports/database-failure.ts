// Recognises temporary failures of the database, which are answered with 503. The statement had no effect, or its outcome is
// unknown; repeating a request is safe either way. Codes are PostgreSQL's (appendix A of its manual) and the driver's own.

export type DatabaseFailure = 'away' | 'slow' | 'busy'

/** Ours (db/turns): the statement was never sent. */
export const NO_CONNECTION = 'NO_CONNECTION'

/** Cancelled at its time-out, no lock in time, the loser of a deadlock, an idle transaction. */
const SLOW = new Set(['57014', '55P03', '40P01', '40001', '25P03', '25P04'])
/** Shutting down, starting, too many connections, no room, connection lost. */
const AWAY = /^(57P0[1-5]|53...|08...|CONNECT_TIMEOUT|CONNECTION_(CLOSED|ENDED|DESTROYED))$/
/** Codes of any socket. They mean the database only if a statement failed with them. */
const SOCKET = /^E(CONNREFUSED|CONNRESET|PIPE|TIMEDOUT|HOSTUNREACH|NOTFOUND|AI_AGAIN)$/

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : ''

/** Undefined for every other error. One of the database's that is not temporary is a fault of ours. */
export function databaseFailure(error: unknown): DatabaseFailure | undefined {
  const inStatement = error instanceof Error && 'query' in error
  const code = codeOf(error instanceof Error && error.cause ? error.cause : error)
  if (code === NO_CONNECTION) return 'busy'
  if (SLOW.has(code)) return 'slow'
  if (AWAY.test(code) || (inStatement && SOCKET.test(code))) return 'away'
  return undefined
}
