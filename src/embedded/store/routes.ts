// Which operation a request means. What is not in the table is refused, never taken for a plain PUT or GET.
import { getAcl, getVersioning, putAcl, putVersioning } from './bucket/access.ts'
import { deleteCors, getCors, putCors } from './bucket/cors.ts'
import { deleteLifecycle, getLifecycle, putLifecycle } from './bucket/lifecycle.ts'
import { listParts, listUploads } from './listing.ts'
import { abort, complete, initiate, uploadPart } from './multipart.ts'
import { deleteObject, getObject, headObject, putObject } from './objects.ts'
import { copySource, uploadPartCopy } from './part-copy.ts'
import { invalidArgument, refusal } from './refusal.ts'
import type { Handler } from './services.ts'
import type { Address, WireRequest } from './wire.ts'

export interface Route {
  name: string
  /** What a session policy has to allow, if not the action of the operation's own name. */
  action?: string
  /** Another object that it reads, and that a session policy therefore has to allow reading. */
  reads?: (headers: WireRequest['headers']) => Address
  handler: Handler
}

const UPLOAD_PART_COPY: Route = {
  name: 'UploadPartCopy',
  action: 'oss:PutObject',
  reads: copySource,
  handler: uploadPartCopy,
}

const OBJECT_ROUTES: Record<string, Record<string, Route>> = {
  '': {
    PUT: { name: 'PutObject', handler: putObject },
    GET: { name: 'GetObject', handler: getObject },
    HEAD: { name: 'HeadObject', action: 'oss:GetObject', handler: headObject },
    DELETE: { name: 'DeleteObject', handler: deleteObject },
  },
  uploads: {
    POST: { name: 'InitiateMultipartUpload', action: 'oss:PutObject', handler: initiate },
  },
  uploadId: {
    PUT: { name: 'UploadPart', action: 'oss:PutObject', handler: uploadPart },
    POST: { name: 'CompleteMultipartUpload', action: 'oss:PutObject', handler: complete },
    DELETE: { name: 'AbortMultipartUpload', handler: abort },
    GET: { name: 'ListParts', handler: listParts },
  },
}

const BUCKET_ROUTES: Record<string, Record<string, Route>> = {
  uploads: { GET: { name: 'ListMultipartUploads', handler: listUploads } },
  cors: {
    PUT: { name: 'PutBucketCors', handler: putCors },
    GET: { name: 'GetBucketCors', handler: getCors },
    DELETE: { name: 'DeleteBucketCors', handler: deleteCors },
  },
  lifecycle: {
    PUT: { name: 'PutBucketLifecycle', handler: putLifecycle },
    GET: { name: 'GetBucketLifecycle', handler: getLifecycle },
    DELETE: { name: 'DeleteBucketLifecycle', handler: deleteLifecycle },
  },
  acl: {
    PUT: { name: 'PutBucketAcl', handler: putAcl },
    GET: { name: 'GetBucketAcl', handler: getAcl },
  },
  versioning: {
    PUT: { name: 'PutBucketVersioning', handler: putVersioning },
    GET: { name: 'GetBucketVersioning', handler: getVersioning },
  },
}

/** Sub-resources of OSS that change what a request means and that are not offered here. */
const NOT_OFFERED = [
  'append',
  'asyncFetch',
  'delete',
  'live',
  'restore',
  'rtmp',
  'symlink',
  'tagging',
  'versionId',
  'x-oss-async-process',
  'x-oss-process',
]

/** Of the bucket only. Asked of an object, they are refused as well. */
const BUCKET_SETTINGS = ['acl', 'cors', 'lifecycle', 'versioning']

/** Throws NotImplemented or MethodNotAllowed. */
export function routeFor({ method, query, headers }: WireRequest, { key }: Address): Route {
  const unknown =
    NOT_OFFERED.find((name) => query.has(name)) ??
    (key === '' ? undefined : BUCKET_SETTINGS.find((name) => query.has(name))) ??
    // HEAD answers the shorter HeadObject of OSS in full; a GET must not send the object instead.
    (query.has('objectMeta') && method !== 'HEAD' ? 'objectMeta' : undefined)
  if (unknown) throw refusal('NotImplemented', { elements: { ArgumentName: unknown } })
  const resource = ['uploadId', 'uploads', ...BUCKET_SETTINGS].find((name) => query.has(name)) ?? ''
  if (query.has('partNumber') && resource !== 'uploadId') {
    throw invalidArgument('uploadId', '', 'partNumber needs an uploadId.')
  }
  if (headers['x-oss-copy-source'] !== undefined) {
    if (method === 'PUT' && resource === 'uploadId' && key !== '') return UPLOAD_PART_COPY
    throw refusal('NotImplemented', { elements: { Header: 'x-oss-copy-source' } })
  }
  const methods = (key === '' ? BUCKET_ROUTES : OBJECT_ROUTES)[resource] ?? {}
  const route = methods[method]
  if (route) return route
  if (key === '') throw refusal('NotImplemented')
  throw refusal('MethodNotAllowed', {
    elements: { Method: method, ResourceType: resource ? 'MultipartUpload' : 'Object' },
    headers: { allow: Object.keys(methods).join(', ') },
  })
}
