// The port to the log.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export type Log = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void
