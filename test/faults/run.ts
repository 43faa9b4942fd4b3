// One run: a new app with foreign storage uploads beside it, commands, recovery, and the checks I1 to I8.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clients, type Command, type Observation, perform } from './commands.ts'
import { type Expected, findings, storeContent } from './invariants.ts'
import { recover } from './recover.ts'
import type { World } from './world.ts'

const POLICY = { direct: true, readBack: true, maxSizeBytes: 10_000_000 }
const ENDED = ['completed', 'aborted', 'expired', 'failed']

export async function beginRun(world: World) {
  const app = await world.begin(POLICY)
  const clients: Clients = { world, app, uploads: [], keys: new Map() }
  const foreign = await world.port.outside(() =>
    Promise.all(
      [`${app.appId}/foreign.bin`, 'elsewhere/foreign.bin'].map(async (key) => {
        const store = world.bare.storeNamed('default')
        const spec = { key, uploadId: 'upl_of_another', contentType: 'text/plain' }
        return { key, storageUploadId: await store.initiate({ ...spec, overwrite: 'never' }) }
      }),
    ),
  )
  const expected: Expected = { told: new Map(), foreign }

  return {
    clients,

    async perform(command: Command): Promise<Observation[]> {
      const seen = await perform(clients, command)
      for (const { slot, state } of seen) {
        if (slot === undefined || !state || !ENDED.includes(state)) continue
        const { id } = clients.uploads[slot]!
        expected.told.set(id, (expected.told.get(id) ?? new Set()).add(state))
      }
      return seen
    },

    /** Replaces the processes that were killed. */
    restart(): void {
      for (const number of [0, 1]) if (world.instance(number).dead) world.restart(number)
    },

    /** Recovers and returns the findings. Leaves world and store as it found them. */
    async settle(look: () => Promise<unknown> = async () => {}): Promise<string[]> {
      const left = await recover(world, app.appId)
      const found = [...left, ...(await findings(clients, expected))]
      await look()
      await world.port.outside(async () => {
        for (const { key, id } of (await storeContent(world.directory)).uploads) {
          await world.bare.storeNamed('default').abort({ key, storageUploadId: id })
        }
      })
      await world.wipe()
      for (const folder of ['objects', 'data']) {
        const path = join(world.directory, folder)
        for (const name of await readdir(path)) await rm(join(path, name), { force: true })
      }
      return found
    },
  }
}

export type Run = Awaited<ReturnType<typeof beginRun>>
