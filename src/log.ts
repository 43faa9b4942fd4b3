// Writes one JSON line per event, without anything that looks like a secret, a token or a signed URL.
import type { Log, LogLevel } from './core/ports/log.ts'

const ORDER: LogLevel[] = ['debug', 'info', 'warn', 'error']

/** Query strings (signed URLs), JWS, api keys, webhook secrets, bearer headers, database passwords. */
const SECRETS: ReadonlyArray<[RegExp, string]> = [
  [/(https?:\/\/[^\s"'?]+)\?[^\s"']*/g, '$1?…'],
  [/\beyJ[\w-]+\.[\w-]*\.[\w-]*/g, '[token]'],
  [/\bcsk_[\w-]+/g, '[api key]'],
  [/\bwhsec_[\w+/=-]+/g, '[secret]'],
  [/\bBearer\s+\S+/gi, 'Bearer [secret]'],
  [/\b(postgres(?:ql)?:\/\/[^:@/\s]+):[^@\s]+@/g, '$1:…@'],
]

export const redact = (text: string): string =>
  SECRETS.reduce((left, [pattern, replacement]) => left.replace(pattern, replacement), text)

export function jsonLog(
  write: (line: string) => void,
  { level: least = 'info', clock }: { level?: LogLevel; clock: () => Date },
): Log {
  return (level, message, fields) => {
    if (ORDER.indexOf(level) < ORDER.indexOf(least)) return
    write(redact(JSON.stringify({ time: clock().toISOString(), level, message, ...fields })))
  }
}
