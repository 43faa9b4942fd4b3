// The values that a request carries through the routes.
import type { Context } from 'hono'
import type { Authentication } from '../auth/index.ts'
import type { Services } from '../core/ports/services.ts'

/** On Workers a connection must not outlive its request: `release` closes it once the answer is made. */
export type RequestServices = Services & { authentication: Authentication; release?: () => void }

export interface Variables {
  services: RequestServices
  requestId: string
}

export type Environment = { Variables: Variables }
export type Request = Context<Environment>
