// Puts the database behind the fault port: every method of every port is one crash point. Services that are no such port are
// listed here, and every other service counts as one, so that a new port cannot be forgotten.
import type { Authentication } from '../../src/auth/index.ts'
import type { RequestServices } from '../../src/http/environment.ts'
import type { HousekeepingServices } from '../../src/schedule/housekeeping.ts'
import type { FaultPort } from './fault-port.ts'

/** Values, pure functions, and calls to stores, issuers and receivers, which the world already puts behind the port. */
const NO_DATABASE: ReadonlySet<string> = new Set([
  'hasStore',
  'storeNamed',
  'notificationSources',
  'tokenKeys',
  'jwks',
  'publicUrl',
  'callbackUrls',
  'allowPrivateTargets',
  'embedded',
  'adminKey',
  'clock',
  'newId',
  'randomBytes',
  'fetch',
  'sendWebhook',
  'delay',
  'background',
  'budget',
  'nudgeDeliveries',
  'log',
] satisfies Array<keyof (RequestServices & HousekeepingServices & Authentication)>)

type Method = (...given: unknown[]) => Promise<unknown>

export function throughPort<Room extends object>(port: FaultPort, room: Room): Room {
  const crossing =
    (name: string, act: Method): Method =>
    (...given) =>
      port.cross('database', name, () => act(...given))
  const passed = ([name, value]: [string, unknown]): [string, unknown] => {
    if (NO_DATABASE.has(name)) return [name, value]
    if (typeof value === 'function') return [name, crossing(name, value as Method)]
    if (name === 'authentication') return [name, throughPort(port, value as Authentication)]
    const methods = Object.entries(value as Record<string, Method>)
    const each = methods.map(([method, act]) => [method, crossing(`${name}.${method}`, act)])
    return [name, Object.fromEntries(each)]
  }
  return Object.fromEntries(Object.entries(room).map(passed)) as Room
}
