// The settings of the bucket, in one file. Changes run one after the other, so that none overwrites another.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CorsRule } from '../../../core/ports/bucket-settings.ts'
import { CORS, readConfiguration } from '../../../storage/rest/bucket-xml.ts'
import { readJson, writeJson } from '../disk/layout.ts'

const FILE = 'bucket.json'

interface Settings {
  /** The documents as a GET answers them. */
  cors?: string
  lifecycle?: string
  acl?: string
  versioning?: string
}

export type BucketSettingsFile = Awaited<ReturnType<typeof openSettings>>

/** Opens `bucket.json` in the store's directory. */
export async function openSettings(directory: string) {
  await removeLeftovers(directory)
  const path = join(directory, FILE)
  let settings = ((await readJson(path)) ?? {}) as Settings
  let rules = rulesOf(settings)
  let last: Promise<unknown> = Promise.resolve()

  async function change(name: keyof Settings, value: string | undefined) {
    const changed = { ...settings, [name]: value }
    await writeJson(path, changed)
    settings = changed
    rules = rulesOf(settings)
  }

  return {
    get: (name: keyof Settings) => settings[name],
    set(name: keyof Settings, value: string | undefined): Promise<void> {
      const done = last.then(() => change(name, value))
      last = done.catch(() => {})
      return done
    },
    /** Undefined if no CORS configuration is stored. */
    corsRules: () => rules,
  }
}

/** Removes the files that a kill left half-written. */
async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(`${FILE}.`) && name.endsWith('.tmp')) {
      await rm(join(directory, name), { force: true })
    }
  }
}

const rulesOf = ({ cors }: Settings): readonly CorsRule[] | undefined =>
  cors === undefined ? undefined : readConfiguration(CORS, cors)?.rules
