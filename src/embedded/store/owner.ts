// One store per directory, because two would remove each other's data as leftovers. A file names the owner's address, and
// a start asks there whether the owner is alive, so that neither a kill nor a reused process id blocks the directory.
import { realpath, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromUtf8 } from '../../bytes/encoding.ts'
import { exchange } from '../../net/exchange.ts'
import { nodeFetch } from '../../net/node-fetch.ts'
import { readJson } from './disk/layout.ts'

export const OWNER_PATH = '/.store-owner'
const PROBE_MS = 1_000

interface Owner {
  id: string
  url: string
  directory: string
}

const ownerFile = (directory: string): string => join(directory, 'owner.json')

/** Throws if another store is running on the directory. */
export async function checkUnowned(directory: string): Promise<void> {
  const owner = await readOwner(directory)
  if (!owner || owner.directory !== (await realpath(directory))) return
  if ((await fetchOwnerId(owner.url)) === owner.id) {
    throw new Error(`${directory} is in use by the embedded store at ${owner.url}`)
  }
}

export async function claimDirectory(directory: string, id: string, url: string): Promise<void> {
  const owner: Owner = { id, url, directory: await realpath(directory) }
  await writeFile(ownerFile(directory), JSON.stringify(owner), { mode: 0o600 })
}

export const releaseDirectory = (directory: string): Promise<void> =>
  rm(ownerFile(directory), { force: true })

async function readOwner(directory: string): Promise<Owner | undefined> {
  try {
    return (await readJson(ownerFile(directory))) as Owner | undefined
  } catch (error) {
    // A half-written file means that its owner was killed.
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Undefined if nothing answers. */
async function fetchOwnerId(url: string): Promise<string | undefined> {
  try {
    const limits = { timeoutMs: PROBE_MS, maxBytes: 100 }
    const { body } = await exchange(nodeFetch(), `${url}${OWNER_PATH}`, {}, limits)
    return fromUtf8(body())
  } catch {
    return undefined
  }
}
