// Reads a multipart/form-data body: the fields before the file at once, the file as a stream. Ignores what follows the file.
import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { Busboy, type BusboyInstance } from '@fastify/busboy'
import { malformed, refusal } from '../refusal.ts'

const LIMITS = { fields: 100, fieldNameSize: 256, fieldSize: 64 * 1024, files: 2, headerPairs: 20 }

export interface PostedForm {
  /** Names in lower case. */
  fields: ReadonlyMap<string, string>
  /** The content type of the file's own part. */
  fileType: string
  /** Throws if the body ends within the file. */
  file: AsyncIterable<Uint8Array>
  /** Resolves at the end of the form. Throws if the body ends before it. */
  finished(): Promise<void>
  /** Stops reading the body. */
  stop(): void
}

/** Throws InvalidArgument and IncompleteBody. */
export async function readForm(
  contentType: string,
  body: AsyncIterable<Uint8Array>,
): Promise<PostedForm> {
  const parser = createParser(contentType)
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
  const finished = Promise.race([once(parser, 'finish'), failed])
  const withoutFile = finished.then(() => {
    throw refusal('IncorrectNumberOfFilesInPOSTRequest')
  })
  // A rejection that nobody awaits would end the process.
  for (const promise of [failed, finished, withoutFile]) promise.catch(() => {})

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
    let hasFile = false
    parser.on('field', (name, value, nameTruncated, valueTruncated) => {
      if (hasFile) return
      const lower = name.toLowerCase()
      if (nameTruncated || valueTruncated) reject(refusal('FieldItemTooLong'))
      else if (fields.has(lower)) reject(invalidField(lower, 'is given twice'))
      else fields.set(lower, value)
    })
    parser.on('fieldsLimit', () => reject(invalidField('', 'has too many fields')))
    parser.on('file', (name, stream, _filename, _encoding, fileType) => {
      // The parser reports the same failure; without a listener this one would end the process.
      stream.on('error', () => {})
      if (hasFile) return void stream.resume()
      hasFile = true
      if (name.toLowerCase() !== 'file') {
        reject(invalidField(name, 'is a file: only "file" may be one'))
      }
      resolve({ file: stream, fileType })
    })
  })
  void pump()
  try {
    const found = await Promise.race([file, withoutFile, failed])
    return { ...found, fields, finished: async () => void (await finished), stop }
  } catch (error) {
    stop()
    throw error
  }
}

function createParser(contentType: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      limits: LIMITS,
      isPartAFile: (name, _type, filename) =>
        filename !== undefined || name?.toLowerCase() === 'file',
    })
  } catch {
    throw malformed('The content type names no boundary.')
  }
}

const invalidField = (name: string, fault: string) =>
  refusal('InvalidArgument', {
    message: `The form's field ${name} ${fault}.`,
    elements: { ArgumentName: name.slice(0, 100) },
  })

/** True for a request as a browser's form sends it. */
export const isForm = (method: string, headers: IncomingHttpHeaders): boolean =>
  method === 'POST' && /^multipart\/form-data\s*;/i.test(headers['content-type'] ?? '')
