// The canonical flows: preparation, the disturbed steps, the client's repetitions afterwards, and the required end.
import { crc64 } from '../../src/bytes/crc64.ts'
import {
  askForGrant,
  begin,
  beginUnderGrant,
  beginWithCredentials,
  completeStream,
  putBySdk,
  putTooMuchBySdk,
  renewCredentials,
  revokeGrant,
  sendForm,
  sendStream,
} from './client-steps.ts'
import { type Command, contentOf, PART_SIZE } from './commands.ts'
import type { Run } from './run.ts'
import type { Act } from './step.ts'
import {
  diesAt,
  foreignObject,
  keepHouse,
  keysRotated,
  lateInitiate,
  monthBegins,
  storeWorks,
  underPolicy,
} from './world-steps.ts'

export interface Flow {
  name: string
  before: readonly Act[]
  disturbed: readonly Act[]
  /** The disturbed steps do not reach the end, so the client must continue. */
  leavesOpen?: true
  /** The steps to repeat until the end; by default those that complete an open session. */
  again?: (slot: number) => Act[]
  /** The required state of the newest session once the client is done and everything has recovered. */
  ends: 'completed' | 'aborted' | 'expired' | 'failed'
  /** Further checks at the end. */
  holds?: (run: Run) => Promise<string[]>
}

const onFirst = (...names: Array<(Command & { slot: number })['do']>): Command[] =>
  names.map((name) => ({ do: name, slot: 0 }) as Command)
const create = (shape: 'parts' | 'single' | 'empty', key?: number): Command => ({
  do: 'create',
  who: 0,
  shape,
  key,
})
const advance = (minutes: number): Command => ({ do: 'advance', minutes })
const sweep: Command = { do: 'sweep' }
const deliver: Command = { do: 'deliver' }
const complete = (slot: number): Act[] => [{ do: 'complete', slot }]
const DAY = 24 * 60

const declared = `crc64:${crc64(contentOf('parts', 2, 0), crc64(contentOf('parts', 1, 0)))}`

const withCredentials = underPolicy({
  credentials: true,
  partSizeBytes: PART_SIZE,
  // The sweep visits open sessions every ten minutes until they end. A short life keeps that under a day.
  idleSeconds: 7200,
})

/** A policy whose object the store processes. The store "processing" is its double. */
const made = (type: 'oss-image' | 'oss-async', operation: string, keyTemplate: string) =>
  underPolicy({
    store: 'processing',
    readBack: true,
    processing: [{ target: { type, operation, keyTemplate } }],
  })

/** The first session has been removed, and no other session's event is in the default partition. */
async function firstIsForgotten({ clients }: Run): Promise<string[]> {
  const { world, app } = clients
  const { id } = clients.uploads[0]!
  const rows = await world.sql`
    select 'session' as what from uploads where upload_id = ${id}
    union all select 'delivery' from deliveries where upload_id = ${id}
    union all select 'event' from upload_events where upload_id = ${id}
    union all select 'stray event' from upload_events_default where app_id = ${app.appId}`
  return rows.map(({ what }) => `a ${what} is left that is past its retention`)
}

async function oldKeyIsFree({ clients }: Run): Promise<string[]> {
  const counts = await clients.world.sealed.counts()
  return counts
    .filter(({ key }) => key !== 'first')
    .map(({ kid, kind }) => `the key ${kid} is still needed by a ${kind}`)
}

export const FLOWS: readonly Flow[] = [
  {
    name: 'create, multipart',
    leavesOpen: true,
    before: [],
    disturbed: [create('parts')],
    ends: 'completed',
  },
  {
    name: 'create, single PUT',
    leavesOpen: true,
    before: [],
    disturbed: [create('single')],
    ends: 'completed',
  },
  {
    name: 'create, empty',
    leavesOpen: true,
    before: [],
    disturbed: [create('empty')],
    ends: 'completed',
  },
  {
    name: 'create with an Idempotency-Key, repeated',
    leavesOpen: true,
    before: [],
    disturbed: [create('parts', 1), create('parts', 1)],
    ends: 'completed',
  },
  {
    name: 'resume by fingerprint',
    leavesOpen: true,
    before: [create('parts'), { do: 'put', slot: 0, part: 1, version: 0 }],
    disturbed: onFirst('resume'),
    ends: 'completed',
  },
  {
    name: 'sign and put',
    leavesOpen: true,
    before: [create('parts')],
    disturbed: onFirst('sign', 'upload'),
    ends: 'completed',
  },
  {
    name: 'complete, relayed',
    before: [create('parts'), ...onFirst('upload')],
    disturbed: onFirst('complete'),
    ends: 'completed',
  },
  {
    name: 'complete, single PUT',
    before: [create('single'), ...onFirst('upload')],
    disturbed: onFirst('complete'),
    ends: 'completed',
  },
  {
    name: 'complete, empty',
    before: [create('empty')],
    disturbed: onFirst('complete'),
    ends: 'completed',
  },
  {
    name: 'complete, direct, and its callback',
    before: [create('parts'), ...onFirst('upload')],
    disturbed: onFirst('direct'),
    ends: 'completed',
  },
  {
    name: 'callback, replayed',
    before: [create('parts'), ...onFirst('upload', 'direct')],
    disturbed: onFirst('callback'),
    ends: 'completed',
  },
  {
    name: 'abort, multipart',
    before: [create('parts'), ...onFirst('upload')],
    disturbed: onFirst('abort'),
    ends: 'aborted',
  },
  {
    name: 'abort, single PUT',
    before: [create('single'), ...onFirst('upload')],
    disturbed: onFirst('abort'),
    ends: 'aborted',
  },
  {
    name: 'heal a lost storage upload',
    leavesOpen: true,
    before: [create('parts'), ...onFirst('upload', 'lose')],
    disturbed: onFirst('get'),
    ends: 'completed',
  },
  {
    name: 'expire, by the sweep',
    before: [create('parts'), ...onFirst('upload'), advance(8 * DAY)],
    disturbed: [sweep],
    ends: 'expired',
  },
  {
    name: 'finish a single PUT, by the sweep',
    before: [create('single'), ...onFirst('upload'), advance(17)],
    disturbed: [sweep],
    ends: 'completed',
  },
  {
    name: 'deliver, and replay',
    before: [create('single'), ...onFirst('upload', 'complete')],
    disturbed: [deliver, { do: 'replay', nth: 0 }, deliver],
    ends: 'completed',
  },
  {
    name: 'complete, a stream, under a grant',
    before: [askForGrant, beginUnderGrant({ sizeBytes: undefined }), sendStream],
    disturbed: [completeStream],
    again: () => [sendStream, completeStream],
    ends: 'completed',
  },
  {
    name: 'send a form, and its callback',
    before: [begin('single', { method: 'form' })],
    disturbed: [sendForm],
    again: (slot) => [sendForm, ...complete(slot)],
    ends: 'completed',
  },
  {
    name: 'create, under a grant',
    leavesOpen: true,
    before: [],
    disturbed: [askForGrant, beginUnderGrant()],
    ends: 'completed',
  },
  {
    name: 'revoke a grant, with what is open under it',
    before: [askForGrant, beginUnderGrant()],
    disturbed: [revokeGrant],
    again: () => [revokeGrant],
    ends: 'aborted',
  },
  {
    name: 'create, with temporary credentials',
    leavesOpen: true,
    before: [withCredentials],
    disturbed: [beginWithCredentials, renewCredentials],
    again: (slot) => [renewCredentials, putBySdk, ...complete(slot)],
    ends: 'completed',
  },
  {
    name: 'complete, with temporary credentials',
    before: [withCredentials, beginWithCredentials, putBySdk],
    disturbed: onFirst('complete'),
    again: complete,
    ends: 'completed',
  },
  {
    name: 'complete what is not what was declared',
    before: [begin('single', { checksum: 'crc64:1' }), ...onFirst('upload')],
    disturbed: onFirst('complete'),
    again: complete,
    ends: 'failed',
  },
  {
    name: 'fail what is too large, by the sweep',
    before: [withCredentials, beginWithCredentials, putTooMuchBySdk, advance(17)],
    disturbed: [sweep],
    again: () => [sweep],
    ends: 'failed',
  },
  {
    name: 'complete in the client’s place, by the sweep',
    before: [
      underPolicy({ autoComplete: true, readBack: true }),
      begin('parts', { checksum: declared }),
      ...onFirst('upload'),
      advance(17),
    ],
    disturbed: [sweep],
    again: () => [sweep],
    ends: 'completed',
  },
  {
    name: 'finish what a dead process completed, by the sweep',
    before: [
      create('parts'),
      ...onFirst('upload'),
      diesAt('store.complete', 'kill after', { do: 'complete', slot: 0 }),
      advance(3),
    ],
    disturbed: [sweep],
    again: () => [sweep],
    ends: 'completed',
  },
  {
    name: 'reopen what a dead process left, by the sweep',
    leavesOpen: true,
    before: [
      create('parts'),
      ...onFirst('upload'),
      diesAt('store.complete', 'kill before', { do: 'complete', slot: 0 }),
      advance(17),
    ],
    disturbed: [sweep],
    ends: 'completed',
  },
  {
    name: 'abort what came after the end, by the listing',
    before: [create('parts'), ...onFirst('upload', 'abort'), lateInitiate, advance(61)],
    disturbed: [sweep],
    ends: 'aborted',
  },
  {
    name: 'abort a single PUT that arrives nevertheless',
    before: [create('single')],
    disturbed: onFirst('abort', 'upload'),
    ends: 'aborted',
  },
  {
    name: 'abort beside somebody else’s object',
    before: [create('parts'), ...onFirst('upload'), foreignObject],
    disturbed: onFirst('abort'),
    ends: 'aborted',
  },
  {
    name: 'have an image made, and tell',
    before: [
      made('oss-image', 'image/resize,w_100', '{uploadId}/small.png'),
      begin('single', { contentType: 'image/png' }),
      ...onFirst('upload', 'complete'),
    ],
    disturbed: [deliver],
    ends: 'completed',
  },
  {
    name: 'have a video made, ask for it, and tell',
    before: [
      made('oss-async', 'video/convert,f_mp4', '{uploadId}/small.mp4'),
      begin('single', { contentType: 'video/mp4' }),
      ...onFirst('upload', 'complete'),
    ],
    disturbed: [deliver, storeWorks, advance(2), sweep],
    ends: 'completed',
  },
  {
    name: 'keep house',
    leavesOpen: true,
    before: [
      monthBegins,
      keepHouse,
      create('parts'),
      ...onFirst('abort'),
      deliver,
      advance(130 * DAY),
      keysRotated,
      create('parts'),
    ],
    disturbed: [keepHouse],
    ends: 'completed',
    holds: async (run) => [...(await firstIsForgotten(run)), ...(await oldKeyIsFree(run))],
  },
]
