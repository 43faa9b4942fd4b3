// Matches a content type against those that a policy or a processing rule lists.

/** Each entry is a type, a family (`image/`, then an asterisk), or the two asterisks for any type. */
export function matchesContentType(allowed: readonly string[], contentType: string): boolean {
  const essence = contentType.split(';')[0]!.trim().toLowerCase()
  return allowed.some((entry) => {
    const wanted = entry.toLowerCase()
    if (wanted === '*/*') return true
    return wanted.endsWith('/*') ? essence.startsWith(wanted.slice(0, -1)) : essence === wanted
  })
}
