// Headers and parameters that are the same in every dialect.
import type { Dialect } from './dialect.ts'

/** RFC 6266, with the extended form of RFC 8187 for names beyond ASCII. */
export function attachment(filename: string): string {
  const ascii = filename.replace(/[^\u0020-\u007e]|["\\%]/g, '_')
  const extended = encodeURIComponent(filename).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${ascii}"; filename*=UTF-8''${extended}`
}

/** ETags are sent in double quotes, and stored without. */
export const quoted = (etag: string) => `"${etag.replace(/^"|"$/g, '')}"`

/** Asks for percent-encoded keys, because XML cannot carry every character of a key. */
export const encodedKeys = ({ encodesEveryKey }: Pick<Dialect, 'encodesEveryKey'>) =>
  encodesEveryKey ? ([['encoding-type', 'url']] as const) : []
