// What asks OSS for an upload callback, as signed query parameters ("Callback", request parameters).
import { base64, utf8 } from '../../core/bytes.ts'

/** The body that OSS sends back to us: JSON, so that odd keys survive. The token proves that we authorised it. */
const CALLBACK_BODY =
  '{"bucket":${bucket},"object":${object},"size":${size},"etag":${etag},"crc64":${crc64},"reqId":${reqId},"token":${x:token}}'

export function callbackQuery({ url, token }: { url: string; token: string }) {
  const parameters = {
    callbackUrl: url,
    callbackBody: CALLBACK_BODY,
    callbackBodyType: 'application/json',
    ...(url.startsWith('https:') ? { callbackSNI: true } : {}),
  }
  return [
    ['callback', base64(utf8(JSON.stringify(parameters)))],
    ['callback-var', base64(utf8(JSON.stringify({ 'x:token': token })))],
  ] as const
}
