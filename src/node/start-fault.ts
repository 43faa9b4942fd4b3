// Failures of a start as ConfigErrors that name the variable at fault and hide its secrets.
import { ConfigError } from '../config.ts'

/** Looks into causes, because a failed statement wraps the driver's error. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  return 'code' in error ? String(error.code) : codeOf(error.cause)
}

/** Turns a failure that DATABASE_URL's address, user or database name explains into a ConfigError. */
export async function reachingDatabase<Value>(url: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work
  } catch (error) {
    const fault = databaseFault(url, codeOf(error))
    throw fault ? new ConfigError(`DATABASE_URL: ${fault}`) : error
  }
}

function databaseFault(url: string, code: string): string | undefined {
  const [, user = '', address = '', name = ''] =
    /^\w+:\/\/(?:([^:@/]*)[^@/]*@)?([^/?]*)\/?([^?]*)/.exec(url) ?? []
  switch (code) {
    case '28P01':
    case '28000':
      return `the database at ${address} refuses the user "${user}" or its password`
    case '3D000':
      return `there is no database "${name}" at ${address}`
    case '42501':
      return `the user "${user}" may not create tables in the database at ${address}`
    default:
      if (!/^E[A-Z]+$|^CONNECT/.test(code)) return undefined
      return `cannot reach the database at ${address} (${code})`
  }
}

/** Explains why the port cannot be opened. */
export function listenFault(
  error: unknown,
  { host, port, variable }: { host: string; port: number; variable: 'PORT' | 'STORE_PORT' },
): unknown {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new ConfigError(
        `${variable}: port ${port} on ${host} is taken; stop what uses it, or give another`,
      )
    case 'EACCES':
      return new ConfigError(`${variable}: port ${port} needs rights that this user does not have`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ConfigError(`HOST: ${host} is no address of this machine`)
    default:
      return error
  }
}

/** Explains why DATA_DIR cannot be created. */
export function directoryFault(error: unknown, directory: string): unknown {
  const code = codeOf(error)
  if (code === 'EEXIST' || code === 'ENOTDIR') {
    return new ConfigError(`DATA_DIR: ${directory} is not a folder`)
  }
  if (!['EACCES', 'EPERM', 'EROFS', 'ENOENT'].includes(code)) return error
  return new ConfigError(`DATA_DIR: ${directory} cannot be made or written (${code})`)
}
