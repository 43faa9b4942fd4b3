// PostObject: checks a form's fields against its signed policy before reading the file, and the file's size while reading it.
import type { IncomingHttpHeaders } from 'node:http'
import { base64, utf8 } from '../../../bytes/encoding.ts'
import { MAX_BODY_BYTES } from '../body.ts'
import { readCallback } from '../callback/parameters.ts'
import { withCallback } from '../callback/send.ts'
import { headersToStore, readPutOptions } from '../object/headers.ts'
import { commitObject, contentMd5, putHeaders } from '../object/put.ts'
import { malformed, refusal } from '../refusal.ts'
import type { Reply, StoreRequest, StoreServices } from '../services.ts'
import { authorise } from '../sts/keyring.ts'
import { checkKey, locationOf, type WireHeaders } from '../wire.ts'
import { element, xmlDocument } from '../xml.ts'
import { checkFields, type FormPolicy, requiresExact, sizeRange, violation } from './policy.ts'
import { type PostedForm, readForm } from './read.ts'
import { verifyForm } from './verify.ts'

type FormRequest = Pick<StoreRequest, 'requestId' | 'clientIp' | 'body'> & {
  headers: IncomingHttpHeaders
}

export async function postObject(request: FormRequest, services: StoreServices): Promise<Reply> {
  const form = await services.readUnverified(() =>
    readForm(request.headers['content-type'] ?? '', request.body()),
  )
  try {
    return await storeFile(form, request, services)
  } finally {
    form.stop()
  }
}

async function storeFile(
  form: PostedForm,
  request: FormRequest,
  services: StoreServices,
): Promise<Reply> {
  const { bucket, disk, clock } = services
  const { fields } = form
  const key = fields.get('key')
  if (key === undefined) throw malformed('The form’s field key is missing.')
  const { holder, policy } = verifyForm(fields, services)
  // The file's own type stands in for an absent field, because it is the type that is stored then.
  const typed = new Map([['content-type', form.fileType], ...fields, ['bucket', bucket]])
  checkFields(policy, typed, clock())
  checkKey(key)
  authorise(holder, 'oss:PutObject', { bucket, key })
  if (fields.has('success_action_redirect')) {
    throw refusal('NotImplemented', { elements: { ArgumentName: 'success_action_redirect' } })
  }
  const fieldHeaders = toHeaders(form)
  const headers = headersToStore(fieldHeaders)
  const options = readPutOptions(fieldHeaders)
  if (fields.has('callback') && !requiresExact(policy, 'callback')) {
    throw violation('callback is no condition.')
  }
  const callback = readCallback({ headers: {}, query: callbackQuery(fields), holder }, services)
  await disk.checkOverwrite(key, options)
  const stored = await receiveFile(form, policy, services)
  const manifest = await commitObject(services, { key, headers, stored }, options)
  const reply = { headers: putHeaders(manifest, stored), ...successReply(form, services, manifest) }
  if (!callback) return reply
  const facts = { manifest, contentMd5: contentMd5(stored), operation: 'PostObject' }
  return withCallback(reply, callback, facts, request, services)
}

/** Throws EntityTooLarge, EntityTooSmall and IncompleteBody, and then leaves nothing on disk. */
async function receiveFile(form: PostedForm, policy: FormPolicy, { disk }: StoreServices) {
  const { minBytes, maxBytes } = sizeRange(policy, MAX_BODY_BYTES)
  const stored = await disk.bodies.receive(form.file, maxBytes)
  try {
    if (stored.sizeBytes < minBytes) throw refusal('EntityTooSmall')
    await form.finished()
    return stored
  } catch (error) {
    await disk.bodies.discard([stored])
    throw error
  }
}

/** The fields as the headers of a PUT. x-oss-content-type takes precedence over every other content type. */
function toHeaders({ fields, fileType }: PostedForm): WireHeaders {
  const type = fields.get('x-oss-content-type') ?? fields.get('content-type') ?? fileType
  return { ...Object.fromEntries(fields), 'content-type': type || 'application/octet-stream' }
}

/** The callback as the query of a signed URL carries it. In a form, each variable is a field of its own. */
function callbackQuery(fields: PostedForm['fields']): Map<string, string> {
  const variables = Object.fromEntries([...fields].filter(([name]) => name.startsWith('x:')))
  const query = new Map<string, string>()
  const callback = fields.get('callback')
  if (callback !== undefined) query.set('callback', callback)
  if (Object.keys(variables).length) {
    query.set('callback-var', base64(utf8(JSON.stringify(variables))))
  }
  return query
}

/** 204 if the form asks for no status, or for an unknown one. */
function successReply(
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
