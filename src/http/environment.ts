// What a request carries through the routes.
import type { Context } from 'hono'
import type { Authentication } from '../auth/index.ts'
import type { Services } from '../core/ports/services.ts'
import type { Credential } from '../core/principal.ts'

/** On Workers what holds a connection lives as long as its request: `release` ends it once the answer is made. */
export type RequestServices = Services & { authentication: Authentication; release?: () => void }

export interface Variables {
  services: RequestServices
  requestId: string
  credential?: Credential
}

export type Environment = { Variables: Variables }
export type Request = Context<Environment>
