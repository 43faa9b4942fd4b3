// Gates force an order of events: they stop a call at a port, before or after its work, until the test releases it.

type Method = (...parameters: any[]) => any

export interface Gate {
  /** Resolves when the call reaches the gate. */
  reached: Promise<void>
  open(): void
}

export interface GateOptions {
  when: 'before' | 'after'
  /** Which call to stop; by default the first. */
  only?: (...parameters: any[]) => boolean
}

/** A promise that a test resolves. */
export function latch(): { opened: Promise<void>; open(): void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/** Stops one call of a port's method and lets all others pass. Once it has stopped the call, it restores the port. */
export function gate<Port extends object>(
  port: Port,
  method: keyof Port,
  { when, only = () => true }: GateOptions,
): Gate {
  const original = port[method] as Method
  const { opened: reached, open: arrive } = latch()
  const { opened, open } = latch()
  const stop = async () => {
    port[method] = original as Port[keyof Port]
    arrive()
    await opened
  }
  const gated: Method = async (...parameters) => {
    if (!only(...parameters)) return original.apply(port, parameters)
    if (when === 'before') {
      await stop()
      return original.apply(port, parameters)
    }
    try {
      return await original.apply(port, parameters)
    } finally {
      await stop()
    }
  }
  port[method] = gated as Port[keyof Port]
  return { reached, open }
}

/** Stops a listing before it asks for the first page, or after it has received the last. */
export function gateListing<Port extends { listParts: Method }>(
  port: Port,
  when: 'before' | 'after',
): Gate {
  const original = port.listParts
  const { opened: reached, open: arrive } = latch()
  const { opened, open } = latch()
  port.listParts = async function* (...parameters: any[]) {
    port.listParts = original
    if (when === 'after') {
      try {
        yield* original.apply(port, parameters)
      } finally {
        arrive()
        await opened
      }
      return
    }
    arrive()
    await opened
    yield* original.apply(port, parameters)
  } as Port['listParts']
  return { reached, open }
}
