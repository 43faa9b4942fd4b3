// Counts the readers of each version of an object, so that its bytes are removed after the last one.

export interface Readers {
  /** Returns a function that ends the read. */
  begin(versionId: string): () => Promise<void>
  /** Removes now, or after the last reader of the version. */
  removeWhenUnread(versionId: string, remove: () => Promise<void>): Promise<void>
}

export function readers(): Readers {
  const counts = new Map<string, number>()
  const waiting = new Map<string, () => Promise<void>>()

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

  async function removeWhenUnread(versionId: string, remove: () => Promise<void>) {
    if (counts.has(versionId)) waiting.set(versionId, remove)
    else await remove()
  }

  return { begin, removeWhenUnread }
}
