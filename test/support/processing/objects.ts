// x-oss-process and x-oss-async-process with sys/saveas. The "result" is the operation and the source's bytes, so that a
// test sees what was made of what; tasks end when the test says so.
import { fromUtf8, utf8 } from '../../../src/bytes/encoding.ts'
import { invalidArgument, refusal } from '../../../src/embedded/store/refusal.ts'
import { authorise, type Keyholder } from '../../../src/embedded/store/sts/keyring.ts'
import { checkKey } from '../../../src/embedded/store/wire.ts'
import { contentMd5 } from '../../../src/storage/oss/md5.ts'
import type { ProcessingStoreOptions } from './server.ts'
import type { BucketAccess, StoredBytes } from './stored.ts'

interface Call {
  bucket: string
  key: string
  holder: Keyholder
  headers: Readonly<Record<string, string>>
  body: string
  requestId: string
}

export interface ProcessCall {
  parameter: string
  key: string
  operation: string
  saveAs: string
  /** The body as received. */
  body: string
}

interface Task extends ProcessCall {
  source: StoredBytes
}

const FAMILIES: Record<string, string[]> = {
  'x-oss-process': ['image', 'style'],
  'x-oss-async-process': ['video', 'audio', 'doc', 'image', 'style'],
}
const IMAGE_ACTIONS = ['resize', 'format', 'crop', 'quality', 'rotate', 'watermark', 'circle']

export function objectProcessing({ bucket }: ProcessingStoreOptions, stored: BucketAccess) {
  const calls: ProcessCall[] = []
  const tasks = new Map<string, Task>()
  /** Actions that the key's RAM policy does not allow. */
  const denied = new Set<string>()

  function allow(action: string, holder: Keyholder, key: string): void {
    if (denied.has(action)) {
      throw refusal('AccessDenied', {
        message: 'You have no right to access this object because of bucket policy.',
      })
    }
    authorise(holder, action, { bucket, key })
  }

  const save = (saveAs: string, operation: string, { bytes }: StoredBytes) => {
    const content = Buffer.concat([utf8(`${operation}\n`), bytes])
    const [, format = 'octet-stream'] = /(?:format,|f_)(\w+)/.exec(operation) ?? []
    const family = operation.startsWith('video/') ? 'video' : 'image'
    return stored.write(saveAs, { bytes: content, contentType: `${family}/${format}` })
  }

  return {
    calls,
    tasks,
    denied,

    async process(parameter: string, call: Call): Promise<Record<string, unknown>> {
      const { holder, key, headers, body, requestId } = call
      if (call.bucket !== bucket) throw refusal('NoSuchBucket')
      if (headers['content-md5'] && headers['content-md5'] !== contentMd5(body)) {
        throw refusal('InvalidDigest')
      }
      const { operation, saveAs } = readProcess(parameter, body, bucket)
      allow('oss:PostProcessTask', holder, key)
      allow('oss:GetObject', holder, key)
      allow('oss:PutObject', holder, saveAs)
      const source = await stored.read(key)
      if (!source) throw refusal('NoSuchKey', { elements: { Key: key } })
      if (operation.startsWith('image/') && !source.contentType.startsWith('image/')) {
        throw refusal('BadRequest', { message: 'This image format is not supported.' })
      }
      const made = { parameter, key, operation, saveAs, body }
      calls.push(made)
      if (parameter === 'x-oss-async-process') {
        const TaskId = `MediaConvert-${tasks.size + 1}`
        tasks.set(TaskId, { ...made, source })
        return { EventId: `event-${tasks.size}`, RequestId: requestId, TaskId }
      }
      await save(saveAs, operation, source)
      const fileSize = utf8(`${operation}\n`).length + source.bytes.length
      return { bucket, fileSize, object: saveAs, status: 'OK' }
    },

    /** Lets all tasks succeed that have been submitted so far. */
    async finishTasks(): Promise<void> {
      for (const { saveAs, operation, source } of tasks.values()) {
        await save(saveAs, operation, source)
      }
    },
  }
}

/** Reads plain text, as the Go and Java SDKs send it, or a form, as ali-oss does. */
function readProcess(parameter: string, body: string, bucket: string) {
  const text = body.includes('%') ? decodeURIComponent(body) : body
  if (!text.startsWith(`${parameter}=`)) {
    throw invalidArgument(parameter, '', `The body must begin with ${parameter}=.`)
  }
  const [operation = '', saveas = '', ...more] = text.slice(parameter.length + 1).split('|')
  const [name, ...parameters] = saveas.split(',')
  if (name !== 'sys/saveas' || more.length) {
    throw invalidArgument(parameter, text, 'A result has to be saved, once: sys/saveas.')
  }
  const values = new Map(parameters.map((one) => [one.slice(0, 2), one.slice(2)]))
  const saveAs = decode(values.get('o_') ?? '')
  const into = values.has('b_') ? decode(values.get('b_')!) : bucket
  if (into !== bucket) throw refusal('AccessDenied', { message: 'No right to write there.' })
  checkKey(saveAs)
  checkOperation(parameter, operation)
  return { operation, saveAs }
}

function checkOperation(parameter: string, operation: string): void {
  const [family = '', ...actions] = operation.split('/')
  const unknown =
    family === 'image' && actions.find((action) => !IMAGE_ACTIONS.includes(action.split(',')[0]!))
  if (unknown || !FAMILIES[parameter]!.includes(family) || !actions.length) {
    throw invalidArgument(parameter, operation, `Unsupported operation: ${unknown || family}.`)
  }
}

function decode(text: string): string {
  if (!/^[\w+/-]+={0,2}$/.test(text)) throw invalidArgument('saveas', text, 'Not base64.')
  return fromUtf8(Buffer.from(text, 'base64url'))
}
