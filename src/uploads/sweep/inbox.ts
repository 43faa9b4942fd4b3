// Works through callbacks that were received but not processed.
import { processCallback } from '../callback.ts'
import { add, type Done } from './counts.ts'
import { isOver, look, type SweepRun } from './run.ts'

const ROWS = 100
/** A younger callback is probably being processed right now. */
const AGE_MS = 10_000

export async function sweepInbox(run: SweepRun, app: string): Promise<Done> {
  const { services, skipped } = run
  const { callbacks, uploads, clock, hasStore } = services
  const before = new Date(clock().getTime() - AGE_MS)
  let done: Done = {}
  // Rows of a skipped store may have filled the page, so each store that turns up calls for another page without it.
  for (let known = -1; known < skipped.size && !isOver(run); ) {
    known = skipped.size
    for (const row of await callbacks.unprocessed(app, before, ROWS, [...skipped])) {
      const { store, uploadId: upload } = row
      if (!hasStore(store)) skipped.add(store)
      if (skipped.has(store)) continue
      if (isOver(run)) return done
      const processed = await look(run, { app, upload, store }, async () => {
        const session = await uploads.find(app, upload)
        if (session) await processCallback(services, row, session)
        return {}
      })
      done = add(done, { looked: 1 }, processed)
    }
  }
  return done
}
