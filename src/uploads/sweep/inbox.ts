// The sweep's first task: callbacks that were received and not worked through.
import { processCallback } from '../callback.ts'
import { guarded, isOver, type SweepRun } from './run.ts'

const ROWS = 100
/** A callback that is being worked on right now is left alone. */
const AGE_MS = 10_000

export async function sweepInbox(run: SweepRun, appId: string): Promise<void> {
  const { services, counts, down } = run
  const { callbacks, uploads, clock, hasStore } = services
  const before = new Date(clock().getTime() - AGE_MS)
  for (let known = -1; known < down.size && !isOver(run); ) {
    known = down.size
    const rows = await callbacks.unprocessed(appId, before, ROWS, [...down])
    for (const row of rows) {
      const { store, uploadId: upload } = row
      if (!hasStore(store)) down.add(store)
      if (down.has(store)) continue
      if (isOver(run)) return
      counts.looked++
      await guarded(run, { app: appId, upload, store }, async () => {
        const session = await uploads.find(appId, upload)
        if (session) await processCallback(services, row, session)
      })
    }
    // Rows of a store that does not answer came first: those of the others are asked for again, without them.
  }
}
