// What asks OSS for an upload callback ("Callback", request parameters): as signed query parameters, or as form fields.
import { base64, utf8 } from '../../bytes/encoding.ts'
import type { CallbackRequest } from '../../core/ports/object-store.ts'

/** The body that OSS sends back to us: JSON, so that odd keys survive. The token proves that we authorised it. */
const CALLBACK_BODY =
  '{"bucket":${bucket},"object":${object},"size":${size},"etag":${etag},"crc64":${crc64},"reqId":${reqId},"token":${x:token}}'

const encoded = (value: unknown): string => base64(utf8(JSON.stringify(value)))

/** SNI, which OSS leaves out unless asked: behind most proxies the handshake needs the name. */
const parameters = (urls: readonly string[]): string =>
  encoded({
    callbackUrl: urls.join(';'),
    callbackBody: CALLBACK_BODY,
    callbackBodyType: 'application/json',
    ...(urls.some((url) => url.startsWith('https:')) ? { callbackSNI: true } : {}),
  })

export const callbackQuery = ({ urls, token }: CallbackRequest) =>
  [
    ['callback', parameters(urls)],
    ['callback-var', encoded({ 'x:token': token })],
  ] as const

/** In a form each variable is a field of its own. */
export const callbackFields = ({ urls, token }: CallbackRequest): Record<string, string> => ({
  callback: parameters(urls),
  'x:token': token,
})
