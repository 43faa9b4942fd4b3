// Limits where a callback may go. The store posts a body of the caller's choice and relays the answer, so without a limit
// any client could use it to reach private services from this machine.
import { denied } from '../refusal.ts'
import type { Keyholder } from '../sts/keyring.ts'

/**
 * Throws AccessDenied. With the store's own key, a callback may go to the service or to anything else on this machine; with
 * temporary credentials, only to the service's callback route.
 */
export function checkReach(
  { urls, host }: { urls: readonly URL[]; host?: string },
  { own }: Keyholder,
  serviceUrls: readonly string[],
): void {
  const bases = serviceUrls.map((url) => `${new URL(url).href.replace(/\/+$/, '')}/v1/callbacks/`)
  const isService = (url: URL) =>
    (host === undefined || host === url.host) && bases.some((base) => url.href.startsWith(base))
  const outside = urls.find((url) => !isService(url) && !(own && isLoopback(url)))
  if (!outside) return
  throw denied(`This store sends callbacks to its own service only, not to ${outside.host}.`)
}

const isLoopback = ({ hostname }: URL): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
