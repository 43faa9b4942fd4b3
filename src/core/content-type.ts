// Content types: whether one is among those that a policy or a processing rule names.

/** Exactly one of the listed types, or of a listed family. */
export function matchesContentType(allowed: readonly string[], contentType: string): boolean {
  const essence = contentType.split(';')[0]!.trim().toLowerCase()
  return allowed.some((entry) => {
    const wanted = entry.toLowerCase()
    if (wanted === '*/*') return true
    return wanted.endsWith('/*') ? essence.startsWith(wanted.slice(0, -1)) : essence === wanted
  })
}
