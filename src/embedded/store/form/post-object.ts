// PostObject: a form's fields are checked against its signed policy before a byte of the file is read, its size while it is.
import type { IncomingHttpHeaders } from 'node:http'
import { base64, utf8 } from '../../../bytes/encoding.ts'
import { MAX_BODY_BYTES } from '../body.ts'
import { readCallback } from '../callback/parameters.ts'
import { withCallback } from '../callback/send.ts'
import { locationOf } from '../multipart.ts'
import { forbidsOverwrite, keptHeaders } from '../object-headers.ts'
import { keepObject, md5Of, putFacts } from '../objects.ts'
import { refusal } from '../refusal.ts'
import type { Reply, StoreRequest, StoreServices } from '../services.ts'
import { authorise } from '../sts/keyring.ts'
import type { ReadUnverified } from '../unverified.ts'
import { checkKey } from '../wire.ts'
import { element, xmlDocument } from '../xml.ts'
import { against, checkFields, demands, type FormPolicy, parsePolicy, sizeRange } from './policy.ts'
import { type PostedForm, readForm } from './read.ts'
import type { formVerifier } from './verify.ts'

type FormRequest = Pick<StoreRequest, 'requestId' | 'clientIp' | 'body'> & {
  headers: IncomingHttpHeaders
}

export function formPoster(
  verify: ReturnType<typeof formVerifier>,
  readUnverified: ReadUnverified,
) {
  return async function postObject(request: FormRequest, services: StoreServices): Promise<Reply> {
    const form = await readUnverified(() =>
      readForm(request.headers['content-type'] ?? '', request.body()),
    )
    try {
      return await answer(verify, form, request, services)
    } finally {
      form.stop()
    }
  }
}

async function answer(
  verify: ReturnType<typeof formVerifier>,
  form: PostedForm,
  request: FormRequest,
  services: StoreServices,
): Promise<Reply> {
  const { bucket, disk, clock } = services
  const key = form.fields.get('key')
  if (key === undefined) {
    throw refusal('InvalidArgument', { message: 'The form’s field key is missing.' })
  }
  const holder = verify(form.fields, parsePolicy)
  const policy = parsePolicy(form.fields.get('policy') ?? '')
  checkFields(policy, new Map([...form.fields, ['bucket', bucket]]), clock())
  checkKey(key)
  authorise(holder, 'oss:PutObject', { bucket, key })
  if (form.fields.has('success_action_redirect')) {
    throw refusal('NotImplemented', { elements: { ArgumentName: 'success_action_redirect' } })
  }
  const asked = asHeaders(form)
  const headers = keptHeaders(asked)
  const options = { forbidOverwrite: forbidsOverwrite(asked) }
  if (form.fields.has('callback') && !demands(policy, 'callback')) {
    throw against('callback is no condition.')
  }
  const callback = readCallback({ ...callbackOf(form.fields), holder }, services)
  await disk.checkOverwrite(key, options)
  const stored = await receiveFile(form, policy, services)
  const manifest = await keepObject(services, { key, headers, stored }, options)
  const reply = { headers: putFacts(manifest, stored), ...successOf(form, services, manifest) }
  if (!callback) return reply
  const facts = { manifest, contentMd5: md5Of(stored), operation: 'PostObject' }
  return withCallback(reply, callback, facts, request, services)
}

/** Throws EntityTooLarge, EntityTooSmall and IncompleteBody; nothing stays on disk then. */
async function receiveFile(form: PostedForm, policy: FormPolicy, { disk }: StoreServices) {
  const { least, most } = sizeRange(policy, MAX_BODY_BYTES)
  const stored = await disk.bodies.receive(form.file, most)
  try {
    if (stored.sizeBytes < least) throw refusal('EntityTooSmall')
    await form.whole()
    return stored
  } catch (error) {
    await disk.bodies.discard([stored])
    throw error
  }
}

/** What a PUT would say in its headers. The type in x-oss-content-type comes before all others. */
function asHeaders({ fields, fileType }: PostedForm): Record<string, string> {
  const type = fields.get('x-oss-content-type') ?? fields.get('content-type') ?? fileType
  return { ...Object.fromEntries(fields), 'content-type': type || 'application/octet-stream' }
}

/** As the query of a signed URL would carry it: in a form each variable is a field. */
function callbackOf(fields: PostedForm['fields']): Pick<StoreRequest, 'headers' | 'query'> {
  const variables = Object.fromEntries([...fields].filter(([name]) => name.startsWith('x:')))
  const query = new Map<string, string>()
  const callback = fields.get('callback')
  if (callback !== undefined) query.set('callback', callback)
  if (Object.keys(variables).length) {
    query.set('callback-var', base64(utf8(JSON.stringify(variables))))
  }
  return { headers: {}, query }
}

/** 204 where nothing, or nothing known, was asked for. */
function successOf(
  { fields }: PostedForm,
  services: StoreServices,
  { key, etag }: { key: string; etag: string },
): Reply {
  const status = fields.get('success_action_status')
  if (status === '200') return { status: 200 }
  if (status !== '201') return { status: 204 }
  return {
    status: 201,
    body: xmlDocument(
      element('PostResponse', [
        element('Bucket', services.bucket),
        element('ETag', etag),
        element('Key', key),
        element('Location', locationOf(services, key)),
      ]),
    ),
  }
}
