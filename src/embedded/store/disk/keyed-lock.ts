// Runs work one at a time per key, in order of arrival. Every change of an object and its uploads takes this lock.

export function keyedLock() {
  const tails = new Map<string, Promise<unknown>>()

  return async function withLock<T>(key: string, work: () => Promise<T>): Promise<T> {
    const run = (tails.get(key) ?? Promise.resolve()).then(work)
    const tail = run.catch(() => {})
    tails.set(key, tail)
    try {
      return await run
    } finally {
      if (tails.get(key) === tail) tails.delete(key)
    }
  }
}
