// UploadPart, and the steps that it shares with UploadPartCopy.
import { receiveBody } from '../body.ts'
import { NO_UPLOAD_FOR_PART } from '../disk/index.ts'
import type { StoredBody } from '../disk/records.ts'
import { putHeaders } from '../object/put.ts'
import { invalidArgument } from '../refusal.ts'
import type { Handler, StoreRequest, StoreServices } from '../services.ts'
import type { WireQuery } from '../wire.ts'

/** `PUT /key?partNumber=N&uploadId=ID` */
export const uploadPart: Handler = async (request, services) => {
  const { disk } = services
  const partNumber = readPartNumber(request.query)
  const { headers } = disk.findUpload(request.key, uploadIdOf(request), NO_UPLOAD_FOR_PART)
  const stored = await receiveBody(request, disk.bodies)
  await commitPart(services, request, partNumber, stored)
  return { status: 200, headers: putHeaders({ etag: `"${stored.md5}"`, headers }, stored) }
}

export const uploadIdOf = ({ query }: Pick<StoreRequest, 'query'>): string =>
  query.get('uploadId') ?? ''

/** Makes received bytes a part of the upload. Discards the bytes if it fails, for example because the upload has ended. */
export async function commitPart(
  { disk, clock }: StoreServices,
  request: StoreRequest,
  partNumber: number,
  stored: StoredBody,
) {
  const part = { ...stored, partNumber, lastModified: clock().toISOString() }
  try {
    await disk.commitPart(request.key, uploadIdOf(request), part)
    return part
  } catch (error) {
    await disk.bodies.discard([part])
    throw error
  }
}

/** Throws InvalidArgument. */
export function readPartNumber(query: WireQuery): number {
  const text = query.get('partNumber')
  if (!text) {
    const message = 'Unexpected query string parameter: partNumber is missing.'
    throw invalidArgument('partNumber', '', message, '0017-00000219')
  }
  const partNumber = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (partNumber < 1 || partNumber > 10_000) {
    const message = 'Part number must be an integer between 1 and 10000, inclusive.'
    throw invalidArgument('partNumber', text, message, '0017-00000220')
  }
  return partNumber
}
