// A file on disk as a Source. Each part is read when it is sent, so that memory stays at part size times parallelism.
import { type FileHandle, open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Source } from '../client/index.ts'

/** Throws an Error for the user if the path is not a readable file. */
export async function fileSource(path: string, type?: string) {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Error(
      code === 'ENOENT' ? `${path} does not exist.` : `${path} cannot be read (${code}).`,
    )
  }
  const { size } = await file.stat()
  if (!(await stat(path)).isFile()) {
    await file.close()
    throw new Error(`${path} is not a file.`)
  }
  const source: Source = {
    name: basename(path),
    size,
    type,
    async slice(start, end) {
      const bytes = new Uint8Array(end - start)
      for (let offset = 0; offset < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, offset, bytes.length - offset, start + offset)
        if (bytesRead === 0) throw new Error(`${path} became shorter during the upload.`)
        offset += bytesRead
      }
      return bytes
    },
  }
  return { ...source, close: () => file.close() }
}
