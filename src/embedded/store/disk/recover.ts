// Loads the open uploads at start, and removes the leftovers of a kill.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../../core/ports/log.ts'
import { type Layout, readJson } from './layout.ts'
import type { ObjectManifest, OpenUpload, PartRecord, UploadRecord } from './records.ts'

export type UploadTable = Map<string, OpenUpload & { parts: Map<number, PartRecord> }>

/** Runs before anything else uses the directory. Returns the open uploads, and the keys of all objects. */
export async function recover(layout: Layout, log: Log) {
  const uploads = await loadUploads(layout, log)
  const keys = new Set<string>()
  const named = new Set<string>()
  const complete = await eachManifest(layout, log, async (manifest) => {
    for (const { dataId } of manifest.pieces) named.add(dataId)
    keys.add(manifest.key)
    const upload = manifest.uploadId ? uploads.get(manifest.uploadId) : undefined
    if (upload?.key !== manifest.key) return
    uploads.delete(upload.id)
    await rm(layout.upload(upload.id), { recursive: true, force: true })
  })
  const present = new Set(await readdir(layout.data))
  for (const { parts } of uploads.values()) {
    for (const part of parts.values()) {
      if (present.has(part.dataId)) named.add(part.dataId)
      else parts.delete(part.partNumber)
    }
  }
  // An unreadable manifest may name any data file, so none is removed.
  if (!complete) return { uploads, keys }
  for (const dataId of present) {
    if (!named.has(dataId)) await rm(layout.bytes(dataId), { force: true })
  }
  return { uploads, keys }
}

/** Returns false if a manifest could not be read. */
async function eachManifest(
  layout: Layout,
  log: Log,
  use: (manifest: ObjectManifest) => Promise<void>,
): Promise<boolean> {
  let complete = true
  for (const name of await readdir(layout.objects)) {
    const path = join(layout.objects, name)
    if (name.endsWith('.tmp')) {
      await rm(path, { force: true })
      continue
    }
    try {
      await use((await readJson(path)) as ObjectManifest)
    } catch (error) {
      complete = false
      log('error', 'unreadable object manifest', { file: name, error: String(error) })
    }
  }
  return complete
}

async function loadUploads(layout: Layout, log: Log): Promise<UploadTable> {
  const uploads: UploadTable = new Map()
  for (const id of await readdir(layout.uploads)) {
    try {
      const record = (await readJson(layout.uploadRecord(id))) as UploadRecord | undefined
      if (record) uploads.set(id, { ...record, parts: await loadParts(layout, id) })
      // A kill interrupted its initiation or its removal.
      else await rm(layout.upload(id), { recursive: true, force: true })
    } catch (error) {
      log('error', 'unreadable upload', { upload: id, error: String(error) })
    }
  }
  return uploads
}

async function loadParts(layout: Layout, id: string): Promise<Map<number, PartRecord>> {
  const parts = new Map<number, PartRecord>()
  for (const name of await readdir(layout.upload(id))) {
    const path = join(layout.upload(id), name)
    if (name.endsWith('.tmp')) await rm(path, { force: true })
    else if (name !== 'upload.json') {
      const part = (await readJson(path)) as PartRecord
      parts.set(part.partNumber, part)
    }
  }
  return parts
}
