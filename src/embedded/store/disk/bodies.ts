// Data files. Bytes are streamed in and out with bounded memory, and hashed on the way in.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { crc64 } from '../../../bytes/crc64.ts'
import { refusal } from '../refusal.ts'
import { type Layout, randomId, syncDirectory } from './layout.ts'
import type { Piece, StoredBody } from './records.ts'

export type Bodies = ReturnType<typeof bodies>

export function bodies(layout: Layout) {
  /** Stores all of `source`. A failure leaves nothing on disk. */
  async function receive(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<StoredBody> {
    const dataId = randomId()
    const file = await open(layout.bytes(dataId), 'wx', 0o600)
    try {
      const facts = await writeHashed(file, source, maxBytes)
      await file.sync()
      await file.close()
      await syncDirectory(layout.data)
      return { dataId, ...facts }
    } catch (error) {
      await file.close()
      await rm(layout.bytes(dataId), { force: true })
      throw error
    }
  }

  /** Reads bytes `first` to `last`, both included, across the pieces. */
  async function* read(pieces: readonly Piece[], first: number, last: number) {
    let start = 0
    for (const { dataId, sizeBytes } of pieces) {
      const end = start + sizeBytes - 1
      if (start > last) return
      if (end >= first && sizeBytes > 0) {
        yield* createReadStream(layout.bytes(dataId), {
          start: Math.max(first - start, 0),
          end: Math.min(last, end) - start,
          highWaterMark: 256 * 1024,
        }) as AsyncIterable<Uint8Array>
      }
      start = end + 1
    }
  }

  async function discard(pieces: readonly Piece[]) {
    for (const { dataId } of pieces) await rm(layout.bytes(dataId), { force: true })
  }

  return { receive, read, discard }
}

async function writeHashed(file: FileHandle, source: AsyncIterable<Uint8Array>, maxBytes: number) {
  const md5 = createHash('md5')
  let crc = 0n
  let sizeBytes = 0
  for await (const chunk of source) {
    sizeBytes += chunk.length
    if (sizeBytes > maxBytes) throw refusal('EntityTooLarge')
    // Hashing runs while the disk writes.
    const written = writeAll(file, chunk)
    md5.update(chunk)
    crc = crc64(chunk, crc)
    await written
  }
  return { sizeBytes, md5: md5.digest('hex').toUpperCase(), crc64: String(crc) }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    done += (await file.write(chunk, done, chunk.length - done)).bytesWritten
  }
}
