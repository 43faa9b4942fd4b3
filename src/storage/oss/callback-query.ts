// What asks OSS for an upload callback ("Callback", request parameters): as signed query parameters, or as form fields.
import { base64, utf8 } from '../../core/bytes.ts'
import type { CallbackRequest } from '../../core/ports.ts'

/** The body that OSS sends back to us: JSON, so that odd keys survive. The token proves that we authorised it. */
const CALLBACK_BODY =
  '{"bucket":${bucket},"object":${object},"size":${size},"etag":${etag},"crc64":${crc64},"reqId":${reqId},"token":${x:token}}'

const encoded = (value: unknown): string => base64(utf8(JSON.stringify(value)))

const parameters = (url: string): string =>
  encoded({
    callbackUrl: url,
    callbackBody: CALLBACK_BODY,
    callbackBodyType: 'application/json',
    ...(url.startsWith('https:') ? { callbackSNI: true } : {}),
  })

export const callbackQuery = ({ url, token }: CallbackRequest) =>
  [
    ['callback', parameters(url)],
    ['callback-var', encoded({ 'x:token': token })],
  ] as const

/** In a form each variable is a field of its own. */
export const callbackFields = ({ url, token }: CallbackRequest): Record<string, string> => ({
  callback: parameters(url),
  'x:token': token,
})
