// Renders the body of a callback: replaces each `${name}` of its template. Pure.
import { percentEncode } from '../../../bytes/encoding.ts'
import type { ObjectManifest } from '../disk/records.ts'
import type { CallbackPlan } from './parameters.ts'

export interface CallbackFacts {
  manifest: ObjectManifest
  /** Base64. '' for a multipart completion. */
  contentMd5: string
  operation: string
}

export interface CallbackContext {
  bucket: string
  requestId: string
  clientIp: string
}

export function renderCallback(
  { template, bodyType, variables }: CallbackPlan,
  facts: CallbackFacts,
  context: CallbackContext,
): string {
  const system = systemVariables(facts, context)
  const insert = bodyType === 'application/json' ? JSON.stringify : formValue
  return template.replace(/\$\{([^}]*)\}/g, (_, name: string) =>
    insert(variables.get(name) ?? system.get(name) ?? ''),
  )
}

const formValue = (value: string | number): string => percentEncode(String(value))

function systemVariables(
  { manifest, contentMd5, operation }: CallbackFacts,
  { bucket, requestId, clientIp }: CallbackContext,
): Map<string, string | number> {
  return new Map<string, string | number>([
    ['bucket', bucket],
    ['object', manifest.key],
    ['etag', manifest.etag.replaceAll('"', '')],
    ['size', manifest.sizeBytes],
    ['mimeType', manifest.headers['content-type'] ?? ''],
    ['crc64', manifest.crc64],
    ['contentMd5', contentMd5],
    ['reqId', requestId],
    ['operation', operation],
    ['clientIp', clientIp],
  ])
}
