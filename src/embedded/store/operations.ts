// The table of operations: method and resource → handler. Anything that is not in it is refused, and never falls back to a
// plain PUT or GET of the object.
import { getAcl, getVersioning, putAcl, putVersioning } from './bucket/access.ts'
import { deleteCors, getCors, putCors } from './bucket/cors.ts'
import { deleteObjects } from './bucket/delete-objects.ts'
import { deleteLifecycle, getLifecycle, putLifecycle } from './bucket/lifecycle.ts'
import { listObjects } from './bucket/list-objects.ts'
import { listParts, listUploads } from './multipart/listing.ts'
import { uploadPart } from './multipart/part.ts'
import { uploadPartCopy } from './multipart/part-copy.ts'
import { abort, complete, initiate } from './multipart/uploads.ts'
import { copyObject } from './object/copy.ts'
import { copySource } from './object/copy-source.ts'
import { deleteObject } from './object/delete.ts'
import { putObject } from './object/put.ts'
import { getObject, getObjectAcl, getObjectMeta, headObject } from './object/read.ts'
import { invalidArgument, notImplemented, refusal } from './refusal.ts'
import { bucketOperation, refusedOperation } from './refused-operations.ts'
import type { Handler } from './services.ts'
import type { Address, WireHeaders, WireRequest } from './wire.ts'

export interface Operation {
  name: string
  handler: Handler
  /** The action that a session policy must allow, `oss:<name>` by default. Null: the handler asks for each key. */
  action?: string | null
  /** Another object that the operation reads: a session policy must allow that, too. */
  reads?: (headers: WireHeaders) => Address
}

const writes = { action: 'oss:PutObject' }

/** `/key` stands for any object, `/` for the bucket, `copy` for a request with x-oss-copy-source. */
const OPERATIONS: Record<string, Operation> = {
  'PUT /key': { name: 'PutObject', handler: putObject },
  'GET /key': { name: 'GetObject', handler: getObject },
  'HEAD /key': { name: 'HeadObject', handler: headObject, action: 'oss:GetObject' },
  'PUT copy /key': { name: 'CopyObject', handler: copyObject, ...writes, reads: copySource },
  'HEAD /key?objectMeta': {
    name: 'GetObjectMeta',
    handler: getObjectMeta,
    action: 'oss:GetObject',
  },
  'GET /key?acl': { name: 'GetObjectAcl', handler: getObjectAcl },
  'DELETE /key': { name: 'DeleteObject', handler: deleteObject },
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
  'POST /?delete': { name: 'DeleteMultipleObjects', handler: deleteObjects, action: null },
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

/** Query parameters that select an operation. If there are several, the first of these decides. */
const RESOURCES = [
  'uploadId',
  'uploads',
  'acl',
  'cors',
  'delete',
  'lifecycle',
  'objectMeta',
  'versioning',
]

/** Throws NotImplemented, MethodNotAllowed or InvalidArgument. */
export function findOperation(
  { method, query, headers }: WireRequest,
  { key }: Address,
): Operation {
  const isBucket = key === ''
  const resource = RESOURCES.find((name) => query.has(name))
  const target = `${isBucket ? '/' : '/key'}${resource ? `?${resource}` : ''}`
  const served = OPERATIONS[`${method} ${target}`] ? resource : undefined
  const refused = refusedOperation(method, isBucket, query, served)
  if (refused) throw notImplemented(refused.name, { ArgumentName: refused.parameter })
  if (query.has('partNumber') && resource !== 'uploadId') {
    throw invalidArgument('uploadId', '', 'partNumber needs an uploadId.')
  }
  if (headers['x-oss-copy-source'] !== undefined) {
    const copy = OPERATIONS[`${method} copy ${target}`]
    if (copy) return copy
    throw refusal('NotImplemented', { elements: { Header: 'x-oss-copy-source' } })
  }
  const operation = OPERATIONS[`${method} ${target}`]
  if (operation) {
    if (target === '/') checkListing(query)
    return operation
  }
  if (isBucket) throw notImplemented(bucketOperation(method))
  const allowed = Object.keys(OPERATIONS).map((route) => route.split(' '))
  throw refusal('MethodNotAllowed', {
    elements: { Method: method, ResourceType: resource ? 'MultipartUpload' : 'Object' },
    headers: {
      allow: allowed
        .filter(([, path]) => path === target)
        .map(([name]) => name)
        .join(', '),
    },
  })
}

/** A bare parameter that no listing knows asks for something else of the bucket, such as a newer setting. */
function checkListing(query: WireRequest['query']): void {
  const other = [...query].find(
    ([name, value]) => value === '' && !LISTING.has(name) && !name.startsWith('x-oss-'),
  )
  if (other) throw notImplemented(`GET /?${other[0]}`, { ArgumentName: other[0] })
}

const LISTING = new Set(
  `prefix delimiter marker max-keys encoding-type list-type start-after continuation-token fetch-owner
  security-token`.split(/\s+/),
)
