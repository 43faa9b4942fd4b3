// The addresses at which stores report uploads, in the order in which a store tries them.
import { z } from 'zod'

/** "Upload callbacks", OSS: at most five URLs, and 5 KB of base64 for the whole request of a callback. */
const MAX_URLS = 5
const MAX_CHARACTERS = 300

/** No semicolon, because it separates the URLs for OSS; no query, because our path is appended. */
function isBase(text: string): boolean {
  if (text.length > MAX_CHARACTERS || text.includes(';') || !URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  return /^https?:$/.test(protocol) && username + password + search + hash === ''
}

export const callbackUrls = z
  .string()
  .transform((text) => text.split(',').map((url) => url.trim().replace(/\/+$/, '')))
  .refine(
    (urls) => urls.length <= MAX_URLS && new Set(urls).size === urls.length && urls.every(isBase),
    `must list at most ${MAX_URLS} different http or https URLs of the service, separated by commas, without user, query or semicolon`,
  )
  .optional()
  .describe('Where stores report uploads: up to 5 addresses of the service; default PUBLIC_URL')
