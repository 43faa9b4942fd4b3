// The embedded store as a process of its own: options in STORE_OPTIONS, one line of JSON when it serves. It ends on SIGTERM,
// and with whoever started it and holds the other end of its input.
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
