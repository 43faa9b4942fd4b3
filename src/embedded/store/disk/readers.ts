// Who is reading which version of an object: its bytes are removed when the last reader has gone.

export interface Readers {
  /** Returns the function that ends the reading. */
  begin(versionId: string): () => Promise<void>
  /** Removes now, or when the last reader of the version ends. */
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
