// What Cloudflare passes to a Worker: bindings, named as in wrangler.toml, and the lifetime of an invocation.
import type { Variables } from '../config.ts'

export interface Bindings {
  HYPERDRIVE?: { connectionString: string }
  /** Optional. A message wakes a consumer that delivers; the events themselves are in the database. */
  NUDGES?: { send(message: unknown): Promise<unknown> }
  /** Plain variables and secrets. */
  [variable: string]: unknown
}

export interface Lifetime {
  waitUntil(work: Promise<unknown>): void
}

/** Plain variables and secrets, which are the strings among the bindings. */
export const variablesOf = (bindings: Bindings): Variables =>
  Object.fromEntries(
    Object.entries(bindings).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )
