// Bounds a promise by a time-out, so that one that never settles stops nothing else.

/**
 * Settles as `work` does, or as `late` does if `work` has not settled in time. The work itself goes on.
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
