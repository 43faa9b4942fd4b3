// Bounds a promise by a time-out, because a single promise that never settles must not stop anything else.

/** Settles as the work does, or as `late` does if the work takes longer. The work is not stopped. */
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
