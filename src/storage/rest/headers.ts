// Headers that every dialect spells alike.

/** RFC 6266 with the extended form of RFC 8187 for names beyond ASCII. */
export function attachment(filename: string): string {
  const ascii = filename.replace(/[^\u0020-\u007e]|["\\%]/g, '_')
  const extended = encodeURIComponent(filename).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${ascii}"; filename*=UTF-8''${extended}`
}
