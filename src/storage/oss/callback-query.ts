// Asks OSS for an upload callback, by signed query parameters or by form fields. Source: OSS, "Callback", request parameters.
import { base64, utf8 } from '../../bytes/encoding.ts'
import type { CallbackRequest } from '../../core/ports/object-store.ts'

/** The callback's body: JSON, so that unusual keys survive. The token proves that we authorised the upload. */
const CALLBACK_BODY =
  '{"bucket":${bucket},"object":${object},"size":${size},"etag":${etag},"crc64":${crc64},"reqId":${reqId},"token":${x:token}}'

const encoded = (value: unknown): string => base64(utf8(JSON.stringify(value)))

/** OSS sends no SNI by default, but most proxies need it for the handshake. */
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

export const callbackFields = ({ urls, token }: CallbackRequest): Record<string, string> => ({
  callback: parameters(urls),
  'x:token': token,
})
