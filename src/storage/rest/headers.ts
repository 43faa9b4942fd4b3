// What every dialect spells alike.
import type { Dialect } from './dialect.ts'

/** RFC 6266 with the extended form of RFC 8187 for names beyond ASCII. */
export function attachment(filename: string): string {
  const ascii = filename.replace(/[^\u0020-\u007e]|["\\%]/g, '_')
  const extended = encodeURIComponent(filename).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${ascii}"; filename*=UTF-8''${extended}`
}

/** ETags travel in double quotes and are kept without. */
export const quoted = (etag: string) => `"${etag.replace(/^"|"$/g, '')}"`

/** Asks for percent-encoded keys, which may hold what XML cannot carry, where a call of its kind can be asked. */
export const encodedKeys = ({ encodesEveryKey }: Pick<Dialect, 'encodesEveryKey'>) =>
  encodesEveryKey ? ([['encoding-type', 'url']] as const) : []
