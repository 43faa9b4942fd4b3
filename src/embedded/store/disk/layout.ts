// The files of the store, and how a small file is replaced so that a kill leaves either the old one or the new one.
//
//   objects/<sha256 of key>.json   a manifest: the object's facts, and the data files with its bytes
//   uploads/<id>/upload.json       an open multipart upload; <number>.json beside it: one part
//   bucket.json                    the settings of the bucket
//   data/<id>                      bytes; a leftover unless a manifest or a part names them
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export type Layout = Awaited<ReturnType<typeof openLayout>>

export async function openLayout(directory: string) {
  const [objects, uploads, data] = ['objects', 'uploads', 'data'].map((name) =>
    join(directory, name),
  ) as [string, string, string]
  for (const path of [directory, objects, uploads, data]) {
    await mkdir(path, { recursive: true, mode: 0o700 })
  }
  return {
    objects,
    uploads,
    data,
    object: (key: string) =>
      join(objects, `${createHash('sha256').update(key).digest('hex')}.json`),
    upload: (id: string) => join(uploads, id),
    uploadRecord: (id: string) => join(uploads, id, 'upload.json'),
    part: (id: string, partNumber: number) => join(uploads, id, `${partNumber}.json`),
    bytes: (dataId: string) => join(data, dataId),
  }
}

export const randomId = (): string => randomBytes(16).toString('hex').toUpperCase()

/** Writes and syncs a file that `commit` renames into place. The caller syncs the folder. */
export async function stageJson(path: string, value: unknown) {
  const temporary = `${path}.${randomId()}.tmp`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(JSON.stringify(value))
    await file.sync()
  } finally {
    await file.close()
  }
  return {
    commit: () => rename(temporary, path),
    discard: () => rm(temporary, { force: true }),
  }
}

export async function writeJson(path: string, value: unknown): Promise<void> {
  const staged = await stageJson(path, value)
  await staged.commit()
  await syncDirectory(dirname(path))
}

/** Undefined if there is no such file. */
export async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch(ignoreMissing)
  return text === undefined ? undefined : JSON.parse(text)
}

/** For `catch`: undefined if there is no such file. */
export function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** Makes a rename or removal survive a power cut. Does nothing on Windows, which cannot open a directory. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
