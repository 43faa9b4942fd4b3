// What Cloudflare hands a Worker: bindings, by the names of wrangler.toml, and the lifetime of an invocation.
import type { Variables } from '../config.ts'

export interface Bindings {
  HYPERDRIVE?: { connectionString: string }
  /** Optional: wakes a consumer that delivers. What is to be delivered stands in the database alone. */
  NUDGES?: { send(message: unknown): Promise<unknown> }
  /** Plain variables and secrets. */
  [variable: string]: unknown
}

export interface Lifetime {
  waitUntil(work: Promise<unknown>): void
}

/** Plain variables and secrets are texts; the rest is bindings. */
export const variablesOf = (bindings: Bindings): Variables =>
  Object.fromEntries(
    Object.entries(bindings).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )
