// Runs work one at a time per key, in order of arrival. Every change of an object and its uploads takes this lock.

export type KeyedLock = <T>(key: string, work: () => Promise<T>) => Promise<T>

export function keyedLock(): KeyedLock {
  const tails = new Map<string, Promise<void>>()

  return async function withLock<T>(key: string, work: () => Promise<T>): Promise<T> {
    const run = (tails.get(key) ?? Promise.resolve()).then(work)
    const tail = run.then(
      () => undefined,
      () => undefined,
    )
    tails.set(key, tail)
    try {
      return await run
    } finally {
      if (tails.get(key) === tail) tails.delete(key)
    }
  }
}
