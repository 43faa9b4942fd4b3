// One store per directory, because two would remove each other's data as leftovers. A file names the owner's address, and
// a start asks there whether the owner is alive, so that neither a kill nor a reused process id blocks the directory.
import { readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import { isMissing } from './disk/layout.ts'

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
    return JSON.parse(await readFile(ownerFile(directory), 'utf8')) as Owner
  } catch (error) {
    // A half-written file means that its owner was killed.
    if (isMissing(error) || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Undefined if nothing answers. */
async function fetchOwnerId(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get(`${url}${OWNER_PATH}`, { timeout: PROBE_MS, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        if (text.length > 100) request.destroy()
      })
      response.on('end', () => resolve(text))
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(undefined))
    request.on('close', () => resolve(undefined))
  })
}
