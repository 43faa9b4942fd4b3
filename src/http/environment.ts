// What a request carries through the routes.
import type { Context } from 'hono'
import type { Authentication } from '../auth/index.ts'
import type { Services } from '../core/ports.ts'
import type { Credential } from '../core/principal.ts'

export interface Variables {
  services: Services & { authentication: Authentication }
  requestId: string
  credential?: Credential
}

export type Environment = { Variables: Variables }
export type Request = Context<Environment>
