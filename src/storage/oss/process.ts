// Processing of stored objects by OSS, which saves the result under another key of the same bucket.
// Source: Alibaba Cloud OSS, "Save processed images", "sys/saveas", "Asynchronous processing".
import { base64url, utf8 } from '../../bytes/encoding.ts'
import type { SaveAs, StoreProcessing } from '../../core/ports/object-store.ts'
import { StoreFailure } from '../../core/ports/store-failure.ts'
import type { Caller } from '../rest/call.ts'
import { parseJson } from '../rest/send.ts'
import { contentMd5 } from './md5.ts'

type Parameter = 'x-oss-process' | 'x-oss-async-process'

/** Plain text, not a form. Key and bucket are base64url without padding, as in the documentation's examples. */
export const processBody = (
  parameter: Parameter,
  bucket: string,
  { operation, saveAs }: Omit<SaveAs, 'key'>,
): string =>
  `${parameter}=${operation}|sys/saveas,o_${base64url(utf8(saveAs))},b_${base64url(utf8(bucket))}`

export function ossProcess(send: Caller['send'], bucket: string): Omit<StoreProcessing, 'media'> {
  function post(parameter: Parameter, work: SaveAs) {
    const body = processBody(parameter, bucket, work)
    // As the official SDKs do. The MD5 keeps OSS from running an operation that was cut on its way.
    const headers = { 'content-type': 'application/xml', 'content-md5': contentMd5(body) }
    return send({ method: 'POST', key: work.key, query: [[parameter, '']], headers }, body)
  }

  return {
    async image(work) {
      // The answer is empty in older documentation, and JSON with a status in newer.
      const answer = await post('x-oss-process', work)
      const { status = 'OK' } = parseJson(answer.body) ?? {}
      if (status !== 'OK') throw new StoreFailure('ambiguous', 'not-saved', answer.status)
    },

    async async(work) {
      const { body, status } = await post('x-oss-async-process', work)
      const taskId = parseJson(body)?.TaskId
      if (typeof taskId === 'string' && taskId !== '') return taskId
      throw new StoreFailure('ambiguous', 'UnreadableAnswer', status)
    },
  }
}
