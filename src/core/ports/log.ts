// The log, as everything that logs sees it.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export type Log = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void
