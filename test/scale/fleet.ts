// Several processes of the service on one database and one store, which die and come back while they are used.
import { type Service, startService } from '../support/service.ts'
import { pick, type Random } from './random.ts'

export interface Fleet {
  /** Any process that serves now. */
  any(): Service
  /** Ends one by SIGKILL or SIGTERM and starts another in its place. */
  replaceOne(): Promise<void>
  /** SIGTERM to all; their exit codes. */
  stop(): Promise<Array<number | null>>
  readonly ends: { killed: number; stopped: number; badExits: number }
}

const KILLED_SHARE = 0.7

export async function startFleet(
  count: number,
  environment: Record<string, string>,
  random: Random,
): Promise<Fleet> {
  const start = () => startService({ environment })
  const serving = await Promise.all(Array.from({ length: count }, start))
  const ends = { killed: 0, stopped: 0, badExits: 0 }
  return {
    ends,
    any: () => pick(random, serving),
    async replaceOne() {
      const leaving = pick(random, serving)
      const place = serving.indexOf(leaving)
      if (random() < KILLED_SHARE) {
        await leaving.kill()
        ends.killed++
      } else {
        if ((await leaving.stop()) !== 0) ends.badExits++
        ends.stopped++
      }
      serving[place] = await start()
    },
    stop: () => Promise.all(serving.splice(0).map((service) => service.stop())),
  }
}
