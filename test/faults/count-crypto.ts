// Counts the calls of WebCrypto that are under way: besides what crosses the fault port, the one thing that is waited for.

/** Until the function that it answers is called. */
export function countCrypto(count: (by: 1 | -1) => void): () => void {
  const subtle = Object.getPrototypeOf(crypto.subtle) as Record<string, unknown>
  const names = ['sign', 'verify', 'importKey', 'deriveBits', 'digest', 'encrypt', 'decrypt']
  const originals = names.map((name) => [name, subtle[name]] as const)
  for (const [name, original] of originals) {
    subtle[name] = function counted(this: SubtleCrypto, ...given: unknown[]) {
      count(1)
      const result: Promise<unknown> = (original as (...all: unknown[]) => Promise<unknown>).apply(
        this,
        given,
      )
      return result.finally(() => count(-1))
    }
  }
  return () => {
    for (const [name, original] of originals) subtle[name] = original
  }
}
