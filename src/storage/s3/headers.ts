// The headers that create an object: its type, the stamp, and those of the policy's `object` block.
import { RESERVED_METADATA } from '../../core/object-headers.ts'
import type { ObjectSpec } from '../../core/stored.ts'

/** User metadata. Only the service can sign it, so it proves which session made an object. */
export const STAMP_HEADER = `x-amz-meta-${RESERVED_METADATA}upload`

export const createOnlyHeaders = ({
  overwrite,
}: Pick<ObjectSpec, 'overwrite'>): Record<string, string> =>
  overwrite === 'never' ? { 'If-None-Match': '*' } : {}

export function objectHeaders({ uploadId, contentType, headers = {} }: ObjectSpec) {
  const tags = new URLSearchParams(headers.tags ?? {}).toString().replaceAll('+', '%20')
  const all: Record<string, string | undefined> = {
    'Content-Type': contentType,
    [STAMP_HEADER]: uploadId,
    'Cache-Control': headers.cacheControl,
    'Content-Disposition': headers.contentDisposition,
    'x-amz-acl': headers.acl === 'default' ? undefined : headers.acl,
    'x-amz-storage-class': headers.storageClass,
    'x-amz-server-side-encryption': headers.serverSideEncryption,
    'x-amz-server-side-encryption-aws-kms-key-id': headers.serverSideEncryptionKeyId,
    'x-amz-tagging': tags || undefined,
  }
  for (const [name, value] of Object.entries(headers.metadata ?? {})) {
    all[`x-amz-meta-${name}`] ??= value
  }
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
