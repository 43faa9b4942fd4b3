// What lives as long as the isolate: configuration, keys, stores and the JWKS cache. It holds no connection and no promise,
// because on Workers those belong to the request that made them.
import { ConfigError, parseConfig, type Variables } from '../config.ts'
import { jsonLog } from '../log.ts'
import { configured, processServices } from '../services.ts'
import { type Bindings, variablesOf } from './bindings.ts'

export type Isolate = Awaited<ReturnType<typeof openIsolate>>

/** Throws ConfigError naming each variable or binding that is missing or wrong. */
async function openIsolate(variables: Variables, bindings: Bindings) {
  const config = parseConfig(variables, ['PUBLIC_URL', 'STORE_DIALECT'])
  if (!bindings.HYPERDRIVE) {
    throw new ConfigError('HYPERDRIVE: is needed: the binding of the database, see wrangler.toml')
  }
  const clock = () => new Date()
  const log = jsonLog((line) => console.log(line), { level: config.logLevel, clock })
  const services = await processServices({
    ...configured(config),
    log,
    background: () => {
      throw new TypeError('Work in the background needs a request to hold it.')
    },
    sharePromises: false,
  })
  return { config, services, log }
}

/** Opens the isolate once. Two first requests may both open it, because the first may be cancelled while the second waits. */
export function isolateOf(variables: Variables = {}) {
  let open: Isolate | undefined
  return async function isolate(bindings: Bindings): Promise<Isolate> {
    if (open) return open
    const opened = await openIsolate({ ...variablesOf(bindings), ...variables }, bindings)
    open ??= opened
    return open
  }
}
