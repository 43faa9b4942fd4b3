// The store's state on disk. Every change has one commit point under the lock of its key (a manifest renamed into place or
// removed, an upload's record removed), so that exactly one of two callers wins.
import { mkdir, rm } from 'node:fs/promises'
import type { Log } from '../../../core/ports/log.ts'
import { refusal } from '../refusal.ts'
import { bodies } from './bodies.ts'
import { keyedLock } from './keyed-lock.ts'
import {
  ignoreMissing,
  openLayout,
  readJson,
  stageJson,
  syncDirectory,
  writeJson,
} from './layout.ts'
import { readers } from './readers.ts'
import type { ObjectManifest, OpenUpload, PartRecord, Piece, UploadRecord } from './records.ts'
import { recover } from './recover.ts'

export type Disk = Awaited<ReturnType<typeof openDisk>>

/** The EC of NoSuchUpload if a part is sent or copied. */
export const NO_UPLOAD_FOR_PART = '0042-00000104'

export interface PutOptions {
  forbidOverwrite: boolean
}

export async function openDisk(directory: string, log: Log) {
  const layout = await openLayout(directory)
  // A key is here before its manifest and stays until after it, so a listing asks the disk about each.
  const { uploads, keys } = await recover(layout, log)
  const withLock = keyedLock()
  const reading = readers()
  const data = bodies(layout)

  const readManifest = async (key: string) =>
    (await readJson(layout.object(key))) as ObjectManifest | undefined

  /** Throws NoSuchUpload, with the finer code of the operation. */
  function findUpload(key: string, uploadId: string, ec = '0042-00000002') {
    const upload = uploads.get(uploadId)
    if (upload?.key !== key) {
      throw refusal('NoSuchUpload', { ec, elements: { UploadId: uploadId } })
    }
    return upload
  }

  /** Fails early, before the bytes of a put arrive; the put checks again. Throws FileAlreadyExists. */
  async function checkOverwrite(
    key: string,
    { forbidOverwrite }: PutOptions,
    ec = '0026-00000002',
  ) {
    const previous = await readManifest(key)
    if (previous && forbidOverwrite) {
      throw refusal('FileAlreadyExists', { ec, elements: { Key: key } })
    }
    return previous
  }

  /** The commit point of a new version. */
  async function writeManifest(manifest: ObjectManifest) {
    keys.add(manifest.key)
    await writeJson(layout.object(manifest.key), manifest)
  }

  /** Removes what nothing names any more. A failure only leaves a file behind, so it must not fail a committed change. */
  async function tidy(work: () => Promise<void>) {
    try {
      await work()
    } catch (error) {
      log('warn', 'could not remove a leftover', { error: String(error) })
    }
  }

  const removeVersion = (manifest: ObjectManifest | undefined) =>
    tidy(async () => {
      if (!manifest) return
      await reading.removeWhenUnread(manifest.id, () => data.discard(manifest.pieces))
    })

  async function removeUpload(upload: OpenUpload, unused: readonly Piece[]) {
    await tidy(async () => {
      // The record goes first: without it, the next start removes the rest as leftovers.
      await rm(layout.uploadRecord(upload.id), { force: true })
      await data.discard(unused)
      await rm(layout.upload(upload.id), { recursive: true, force: true })
    })
  }

  /** Runs outside the lock, because it waits for the disk. Throws NoSuchUpload if the upload's folder is gone. */
  async function stagePart(key: string, uploadId: string, part: PartRecord) {
    try {
      return await stageJson(layout.part(uploadId, part.partNumber), part)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        findUpload(key, uploadId, NO_UPLOAD_FOR_PART)
      }
      throw error
    }
  }

  return {
    bodies: data,
    findUpload,
    checkOverwrite,
    uploads: () => uploads.values(),
    /** May hold a key whose object is gone. */
    keys: () => keys.values(),
    readManifest,

    /** Opens the current version. It stays readable until `end`, even if it is replaced or deleted. */
    openObject: (key: string) =>
      withLock(key, async () => {
        const manifest = await readManifest(key)
        return manifest && { manifest, end: reading.begin(manifest.id) }
      }),

    putObject: (manifest: ObjectManifest, options: PutOptions) =>
      withLock(manifest.key, async () => {
        const previous = await checkOverwrite(manifest.key, options)
        await writeManifest(manifest)
        await removeVersion(previous)
      }),

    /** `check` gets the object, if there is one, and throws to prevent the removal. */
    deleteObject: (key: string, check: (manifest?: ObjectManifest) => void) =>
      withLock(key, async () => {
        const manifest = await readManifest(key)
        check(manifest)
        if (!manifest) return
        await rm(layout.object(key), { force: true })
        keys.delete(key)
        await syncDirectory(layout.objects)
        await removeVersion(manifest)
      }),

    initiate: (upload: UploadRecord, options: PutOptions) =>
      withLock(upload.key, async () => {
        await checkOverwrite(upload.key, options)
        await mkdir(layout.upload(upload.id), { mode: 0o700 })
        await writeJson(layout.uploadRecord(upload.id), upload)
        await syncDirectory(layout.uploads)
        uploads.set(upload.id, { ...upload, parts: new Map() })
      }),

    /** Throws NoSuchUpload if the upload has ended. The caller then discards the bytes. */
    async commitPart(key: string, uploadId: string, part: PartRecord) {
      const staged = await stagePart(key, uploadId, part)
      try {
        await withLock(key, async () => {
          const { parts } = findUpload(key, uploadId, NO_UPLOAD_FOR_PART)
          await staged.commit()
          const previous = parts.get(part.partNumber)
          parts.set(part.partNumber, part)
          if (previous) await tidy(() => data.discard([previous]))
        })
      } catch (error) {
        await staged.discard()
        throw error
      }
      // Runs outside the lock, so that the parts of one upload do not wait for each other's sync.
      await syncDirectory(layout.upload(uploadId)).catch(ignoreMissing)
    },

    /** `build` gets the upload under its lock, and throws to leave it open. The object stays readable until `end`. */
    complete: (
      key: string,
      uploadId: string,
      options: PutOptions,
      build: (upload: OpenUpload) => ObjectManifest,
    ) =>
      withLock(key, async () => {
        const upload = findUpload(key, uploadId)
        const manifest = build(upload)
        const previous = await checkOverwrite(key, options, '0042-00000214')
        await writeManifest(manifest)
        uploads.delete(uploadId)
        const used = new Set(manifest.pieces.map(({ dataId }) => dataId))
        const unused = [...upload.parts.values()].filter(({ dataId }) => !used.has(dataId))
        await removeUpload(upload, unused)
        await removeVersion(previous)
        return { manifest, end: reading.begin(manifest.id) }
      }),

    abort: (key: string, uploadId: string) =>
      withLock(key, async () => {
        const upload = findUpload(key, uploadId)
        await rm(layout.uploadRecord(uploadId))
        await syncDirectory(layout.upload(uploadId))
        uploads.delete(uploadId)
        await removeUpload(upload, [...upload.parts.values()])
      }),
  }
}
