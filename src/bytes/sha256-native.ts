// The fastest SHA-256 of many similar messages: node:crypto's on Node. workerd has the same function, but a call of it costs as much
// as thirty blocks in JavaScript (docs/performance.md).
import { hash } from 'node:crypto'
import { type HashRepeatedly, sha256Repeatedly } from './sha256-repeated.ts'

const isWorkerd = globalThis.navigator?.userAgent === 'Cloudflare-Workers'

export const nativeSha256Repeatedly: HashRepeatedly = (message) => (encoding) =>
  hash('sha256', message, encoding)

export const fastSha256Repeatedly: HashRepeatedly = isWorkerd
  ? sha256Repeatedly
  : nativeSha256Repeatedly
