// Where a callback may go. The store posts a body of its caller's choice and relays the answer, so that without a limit every
// client could use it to reach whatever this machine reaches.
import { refusal } from '../refusal.ts'
import type { Keyholder } from '../sts/keyring.ts'

/**
 * Throws AccessDenied. The holder of the store's own key may have its service called, and anything else on this machine; the
 * holder of temporary credentials only the place where the service takes callbacks.
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
  throw refusal('AccessDenied', {
    message: `This store sends callbacks to its own service only, not to ${outside.host}.`,
  })
}

const isLoopback = ({ hostname }: URL): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
