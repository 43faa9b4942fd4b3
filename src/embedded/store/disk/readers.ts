// Counts the readers of each version of an object, so that its bytes are removed after the last one.

export function readers() {
  const counts = new Map<string, number>()
  const waiting = new Map<string, () => Promise<void>>()

  /** Returns a function that ends the read. */
  function begin(versionId: string) {
    counts.set(versionId, (counts.get(versionId) ?? 0) + 1)
    let ended = false
    return async function end() {
      if (ended) return
      ended = true
      const left = counts.get(versionId)! - 1
      if (left > 0) {
        counts.set(versionId, left)
        return
      }
      counts.delete(versionId)
      const remove = waiting.get(versionId)
      waiting.delete(versionId)
      await remove?.()
    }
  }

  /** Removes now, or after the last reader of the version. */
  async function removeWhenUnread(versionId: string, remove: () => Promise<void>) {
    if (counts.has(versionId)) waiting.set(versionId, remove)
    else await remove()
  }

  return { begin, removeWhenUnread }
}
