// The headers that create an object: its type, the stamp, and those of the policy's `object` block.
import { RESERVED_METADATA } from '../../core/object-headers.ts'
import type { ObjectSpec } from '../../core/stored.ts'

/** User metadata. Only the service can sign it, so it proves which session made an object. */
export const STAMP_HEADER = `x-oss-meta-${RESERVED_METADATA}upload`

export const createOnlyHeaders = ({
  overwrite,
}: Pick<ObjectSpec, 'overwrite'>): Record<string, string> =>
  overwrite === 'never' ? { 'x-oss-forbid-overwrite': 'true' } : {}

export function objectHeaders({ uploadId, contentType, headers = {} }: ObjectSpec) {
  const tags = new URLSearchParams(headers.tags ?? {}).toString().replaceAll('+', '%20')
  const all: Record<string, string | undefined> = {
    'Content-Type': contentType,
    [STAMP_HEADER]: uploadId,
    'Cache-Control': headers.cacheControl,
    'Content-Disposition': headers.contentDisposition,
    'x-oss-object-acl': headers.acl,
    'x-oss-storage-class': headers.storageClass,
    'x-oss-server-side-encryption': headers.serverSideEncryption,
    'x-oss-server-side-encryption-key-id': headers.serverSideEncryptionKeyId,
    'x-oss-server-side-data-encryption': headers.serverSideDataEncryption,
    'x-oss-tagging': tags || undefined,
  }
  for (const [name, value] of Object.entries(headers.metadata ?? {})) {
    all[`x-oss-meta-${name}`] ??= value
  }
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

/** A multipart object gets its ACL at completion, and every other header at initiation. */
const ACL = 'x-oss-object-acl'

export function initiateHeaders(object: ObjectSpec): Record<string, string> {
  const { [ACL]: _, ...headers } = objectHeaders(object)
  return headers
}

export const completeHeaders = ({
  headers,
}: Pick<ObjectSpec, 'headers'>): Record<string, string> =>
  headers?.acl ? { [ACL]: headers.acl } : {}
