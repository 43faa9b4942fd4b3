// Remembers interrupted uploads for `resume`: their path, service and options, but no token and no key.
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Unfinished {
  file: string
  url: string
  uploadId?: string
  subject: string
  policy?: string
  contentType?: string
  partSizeBytes?: number
}

export function unfinishedUploads(directory: string) {
  const nameOf = ({ file, url }: Pick<Unfinished, 'file' | 'url'>) =>
    `${createHash('sha256').update(`${url}\n${file}`).digest('hex').slice(0, 32)}.json`

  return {
    async remember(entry: Unfinished): Promise<void> {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await writeFile(join(directory, nameOf(entry)), JSON.stringify(entry), { mode: 0o600 })
    },
    async forget(entry: Pick<Unfinished, 'file' | 'url'>): Promise<void> {
      await rm(join(directory, nameOf(entry)), { force: true })
    },
    async list(): Promise<Unfinished[]> {
      const names = await readdir(directory).catch(() => [])
      const files = names.filter((name) => name.endsWith('.json'))
      const texts = await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8')))
      return texts.map((text) => JSON.parse(text) as Unfinished)
    },
  }
}

export type UnfinishedUploads = ReturnType<typeof unfinishedUploads>
