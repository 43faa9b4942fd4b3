// Countersign's own HTTP port and services. Signing parts needs no database, so none is there.
import { parseConfig } from '../../dist/config.js'
import { httpApp } from '../../dist/http/app.js'
import { listen } from '../../dist/node/listen.js'
import { openServices } from '../../dist/node/open-services.js'
import { EXAMPLE } from '../signing-example.mjs'

const { bucket, region, credentials } = EXAMPLE
const config = parseConfig({
  PORT: '0',
  PUBLIC_URL: 'http://127.0.0.1:8787',
  DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
  ADMIN_KEY: 'an-admin-key-for-the-bench',
  SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64url')}`,
  STORE_DIALECT: 'oss',
  STORE_REGION: `oss-${region}`,
  STORE_BUCKET: bucket,
  STORE_ACCESS_KEY_ID: credentials.accessKeyId,
  STORE_SECRET_ACCESS_KEY: credentials.secretAccessKey,
})
// Logs as the service does, to a stream that nobody reads.
const log = (level, message, fields) =>
  process.stdout.write(`${JSON.stringify({ level, message, ...fields })}\n`)
const { services } = await openServices(config, config.databaseUrl, log, {})
const listening = await listen(config)
listening.serve(httpApp({ servicesFor: () => services }).fetch)
process.send(Number(new URL(listening.url).port))
process.on('disconnect', () => process.exit())
