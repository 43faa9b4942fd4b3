// Bounds a promise by a time-out, because a single promise that never settles must not stop anything else.

/**
 * Resolves or rejects as the work does. Where the work has not settled in time, it does so as `late` does instead; the work
 * itself is not stopped.
 */
export async function withTimeout<Value, Late>(
  work: Promise<Value>,
  milliseconds: number,
  late: () => Late | Promise<Late>,
): Promise<Value | Late> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const timedOut = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  }).then(late)
  try {
    return await Promise.race([work, timedOut])
  } finally {
    clearTimeout(timer)
  }
}
