// Reads a multipart/form-data body: the fields before the file at once, the file as a stream. What follows it is ignored.
import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { Busboy, type BusboyInstance } from '@fastify/busboy'
import { refusal } from '../refusal.ts'

const LIMITS = { fields: 100, fieldNameSize: 256, fieldSize: 64 * 1024, files: 2, headerPairs: 20 }

export interface PostedForm {
  /** Names in lower case. */
  fields: ReadonlyMap<string, string>
  /** The content type of the file's own part. */
  fileType: string
  /** Ends early, with an error, where the body does. */
  file: AsyncIterable<Uint8Array>
  /** Resolves when the form's own end has come. Throws where the body ends before it. */
  whole(): Promise<void>
  /** Reads no further. */
  stop(): void
}

/** Throws InvalidArgument and IncompleteBody. */
export async function readForm(
  contentType: string,
  body: AsyncIterable<Uint8Array>,
): Promise<PostedForm> {
  const parser = open(contentType)
  const fields = new Map<string, string>()
  let stopped = false
  let stop = () => {}
  const stopping = new Promise<void>((resolve) => {
    stop = () => {
      stopped = true
      resolve()
      parser.destroy()
    }
  })

  const failed = new Promise<never>((_, reject) => {
    parser.once('error', () => reject(refusal('IncompleteBody')))
  })
  failed.catch(() => {}) // Whoever waits is told; nobody may.
  const finished = Promise.race([once(parser, 'finish'), failed])
  finished.catch(() => {})

  async function pump() {
    try {
      for await (const chunk of body) {
        if (stopped) return
        if (!parser.write(chunk)) await Promise.race([once(parser, 'drain'), failed, stopping])
      }
      parser.end()
    } catch (error) {
      parser.destroy(error instanceof Error ? error : undefined)
    }
  }

  const file = new Promise<Pick<PostedForm, 'file' | 'fileType'>>((resolve, reject) => {
    let first = true
    parser.on('field', (name, value, nameTruncated, valueTruncated) => {
      if (!first) return
      const lower = name.toLowerCase()
      if (nameTruncated || valueTruncated) reject(refusal('FieldItemTooLong'))
      else if (fields.has(lower)) reject(wrong(lower, 'is given twice'))
      else fields.set(lower, value)
    })
    parser.on('fieldsLimit', () => reject(wrong('', 'has too many fields')))
    parser.on('file', (name, stream, _filename, _encoding, fileType) => {
      // Also where nobody reads it any more: its failure is the form's.
      stream.on('error', () => {})
      if (!first) return void stream.resume()
      first = false
      if (name.toLowerCase() !== 'file') reject(wrong(name, 'is a file: only "file" may be one'))
      resolve({ file: stream, fileType })
    })
  })
  void pump()
  const none = finished.then(() => Promise.reject(refusal('IncorrectNumberOfFilesInPOSTRequest')))
  none.catch(() => {})
  const found = await Promise.race([file, none, failed]).catch((error: unknown) => {
    stop()
    throw error
  })
  return {
    ...found,
    fields,
    whole: async () => void (await finished),
    stop,
  }
}

function open(contentType: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      limits: LIMITS,
      isPartAFile: (name, _type, filename) =>
        filename !== undefined || name?.toLowerCase() === 'file',
    })
  } catch {
    throw refusal('InvalidArgument', { message: 'The content type names no boundary.' })
  }
}

const wrong = (name: string, what: string) =>
  refusal('InvalidArgument', {
    message: `The form's field ${name} ${what}.`,
    elements: { ArgumentName: name.slice(0, 100) },
  })

/** True for what a browser's form sends. */
export const isForm = (method: string, headers: IncomingHttpHeaders): boolean =>
  method === 'POST' && /^multipart\/form-data\s*;/i.test(headers['content-type'] ?? '')
