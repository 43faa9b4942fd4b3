// The table of operations: method and resource → handler. Anything that is not in it is refused, and never falls back to a
// plain PUT or GET of the object.
import { getAcl, getVersioning, putAcl, putVersioning } from './bucket/access.ts'
import { deleteCors, getCors, putCors } from './bucket/cors.ts'
import { deleteObjects } from './bucket/delete-objects.ts'
import { deleteLifecycle, getLifecycle, putLifecycle } from './bucket/lifecycle.ts'
import { listObjects, listObjectsV2 } from './bucket/objects.ts'
import { listParts, listUploads } from './multipart/listing.ts'
import { uploadPart } from './multipart/part.ts'
import { copySource, uploadPartCopy } from './multipart/part-copy.ts'
import { abort, complete, initiate } from './multipart/uploads.ts'
import { copyObject } from './object/copy.ts'
import { deleteObject } from './object/delete.ts'
import { getObjectAcl, getObjectMeta } from './object/facts.ts'
import { putObject } from './object/put.ts'
import { getObject, headObject } from './object/read.ts'
import { invalidArgument, refusal } from './refusal.ts'
import { NO_OPERATION, REFUSED } from './refused-operations.ts'
import type { Handler } from './services.ts'
import type { Address, WireHeaders, WireQuery, WireRequest } from './wire.ts'

/** The handler asks the session policy itself, for each key that the body names. */
export const EACH_KEY = Symbol('each key')

export interface Operation {
  name: string
  handler: Handler
  /** The action that a session policy must allow, `oss:<name>` by default. */
  action?: string | typeof EACH_KEY
  /** Another object that the operation reads: a session policy must allow that, too. */
  reads?: (headers: WireHeaders) => Address
}

const writes = { action: 'oss:PutObject' }

/** `/key` stands for any object, `/` for the bucket, `copy` for a request with x-oss-copy-source. */
const OPERATIONS: Record<string, Operation> = {
  'PUT /key': { name: 'PutObject', handler: putObject },
  'GET /key': { name: 'GetObject', handler: getObject },
  'HEAD /key': { name: 'HeadObject', handler: headObject, action: 'oss:GetObject' },
  'DELETE /key': { name: 'DeleteObject', handler: deleteObject },
  'PUT copy /key': { name: 'CopyObject', handler: copyObject, ...writes, reads: copySource },
  'GET /key?acl': { name: 'GetObjectAcl', handler: getObjectAcl },
  'HEAD /key?objectMeta': {
    name: 'GetObjectMeta',
    handler: getObjectMeta,
    action: 'oss:GetObject',
  },
  'POST /key?uploads': { name: 'InitiateMultipartUpload', handler: initiate, ...writes },
  'PUT /key?uploadId': { name: 'UploadPart', handler: uploadPart, ...writes },
  'POST /key?uploadId': { name: 'CompleteMultipartUpload', handler: complete, ...writes },
  'DELETE /key?uploadId': { name: 'AbortMultipartUpload', handler: abort },
  'GET /key?uploadId': { name: 'ListParts', handler: listParts },
  'PUT copy /key?uploadId': {
    name: 'UploadPartCopy',
    handler: uploadPartCopy,
    ...writes,
    reads: copySource,
  },
  'GET /': { name: 'ListObjects', handler: listObjects },
  'GET /?list-type': { name: 'ListObjectsV2', handler: listObjectsV2, action: 'oss:ListObjects' },
  'POST /?delete': { name: 'DeleteMultipleObjects', handler: deleteObjects, action: EACH_KEY },
  'GET /?uploads': { name: 'ListMultipartUploads', handler: listUploads },
  'PUT /?cors': { name: 'PutBucketCors', handler: putCors },
  'GET /?cors': { name: 'GetBucketCors', handler: getCors },
  'DELETE /?cors': { name: 'DeleteBucketCors', handler: deleteCors },
  'PUT /?lifecycle': { name: 'PutBucketLifecycle', handler: putLifecycle },
  'GET /?lifecycle': { name: 'GetBucketLifecycle', handler: getLifecycle },
  'DELETE /?lifecycle': { name: 'DeleteBucketLifecycle', handler: deleteLifecycle },
  'PUT /?acl': { name: 'PutBucketAcl', handler: putAcl },
  'GET /?acl': { name: 'GetBucketAcl', handler: getAcl },
  'PUT /?versioning': { name: 'PutBucketVersioning', handler: putVersioning },
  'GET /?versioning': { name: 'GetBucketVersioning', handler: getVersioning },
}

/** Query parameters that select an operation: everything after a question mark in the two tables. */
const SELECTORS = [...Object.keys(OPERATIONS), ...Object.keys(REFUSED)].flatMap((route) =>
  route.split('?').slice(1),
)

/** All routes with the name of their operation, and whether it is served. docs/storage.md lists them. */
export const allOperations = (): Array<{ name: string; route: string; served: boolean }> => [
  ...Object.entries(OPERATIONS).map(([route, { name }]) => ({ name, route, served: true })),
  ...Object.entries(REFUSED).map(([route, name]) => ({ name, route, served: false })),
]

/** Throws NotImplemented, which names the operation, MethodNotAllowed or InvalidArgument. */
export function findOperation(
  { method, query, headers }: WireRequest,
  { key }: Address,
): Operation {
  const isBucket = key === ''
  const version = NO_OPERATION.find((name) => query.has(name))
  if (version) throw notImplemented(`the parameter ${version}`, { ArgumentName: version })
  const [selector, another] = new Set(SELECTORS.filter((name) => query.has(name)))
  if (another) throw notImplemented(`the parameter ${another} here`, { ArgumentName: another })
  if (query.has('partNumber') && selector !== 'uploadId') {
    throw invalidArgument('uploadId', '', 'partNumber needs an uploadId.')
  }
  const target = `${isBucket ? '/' : '/key'}${selector ? `?${selector}` : ''}`
  const isCopy = headers['x-oss-copy-source'] !== undefined
  const operation = OPERATIONS[`${method}${isCopy ? ' copy' : ''} ${target}`]
  if (operation) {
    if (target === '/') checkListing(query)
    return operation
  }
  if (isCopy) throw notImplemented('a copy here', { Header: 'x-oss-copy-source' })
  const refused = REFUSED[`${method} ${target}`]
  if (refused) throw notImplemented(refused, selector ? { ArgumentName: selector } : {})
  if (selector && !UPLOADS.includes(selector)) {
    throw notImplemented(`${method} with ?${selector} here`, { ArgumentName: selector })
  }
  if (isBucket) throw notImplemented(`${method} of a bucket`)
  const allowed = Object.keys(OPERATIONS).map((route) => route.split(' '))
  throw refusal('MethodNotAllowed', {
    elements: { Method: method, ResourceType: selector ? 'MultipartUpload' : 'Object' },
    headers: {
      allow: allowed
        .filter(([, path]) => path === target)
        .map(([name]) => name)
        .join(', '),
    },
  })
}

const UPLOADS = ['uploadId', 'uploads']

/** A bare parameter that no listing knows asks for something else of the bucket, such as a newer setting. */
function checkListing(query: WireQuery): void {
  const other = [...query].find(
    ([name, value]) => value === '' && !LISTING.includes(name) && !name.startsWith('x-oss-'),
  )
  if (other) throw notImplemented(`GET with ?${other[0]} here`, { ArgumentName: other[0] })
}

const LISTING = ['prefix', 'delimiter', 'marker', 'max-keys', 'encoding-type', 'security-token']

const notImplemented = (what: string, elements: Record<string, string> = {}) =>
  refusal('NotImplemented', {
    message: `The embedded store does not implement ${what}.`,
    elements,
  })
