// Runs the embedded store as a separate process. It reads options from STORE_OPTIONS and prints one line of JSON when it serves.
// It ends on SIGTERM, or when its standard input closes because its parent has died.
import { startEmbeddedStore } from '../../dist/embedded/store/index.js'

const store = await startEmbeddedStore({
  ...JSON.parse(process.env.STORE_OPTIONS ?? '{}'),
  host: '127.0.0.1',
  port: 0,
  clock: () => new Date(),
  log: (level, message, fields) => {
    if (level === 'debug') return
    process.stderr.write(`${JSON.stringify({ level, message, ...fields })}\n`)
  },
})
const { url, callbackPublicKeyPem } = store
process.stdout.write(`${JSON.stringify({ url, callbackPublicKeyPem })}\n`)

process.once('SIGTERM', () => store.close().then(() => process.exit(0)))
process.stdin.resume().once('end', () => process.exit(1))
