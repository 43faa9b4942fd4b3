// Entry on Node: reads the environment, starts the service, and stops it on a signal.
import { ConfigError, parseConfig } from './config.ts'
import { errorText } from './core/error-text.ts'
import { nearest } from './core/nearest.ts'
import { jsonLog } from './log.ts'
import { sendSample } from './node/sample.ts'
import { start } from './node/start.ts'

const OPTIONS = ['--sample', '--no-sample']

const say = (line: string) => process.stdout.write(`${line}\n`)

/** `countersign serve` checks its options itself. */
function checkOptions(): void {
  const unknown = process.argv.slice(2).find((text) => /^-./.test(text) && !OPTIONS.includes(text))
  if (unknown === undefined) return
  const meant = nearest(unknown, OPTIONS, () => 2) ?? OPTIONS.join(' or ')
  throw new Error(`There is no option ${unknown}. Is ${meant} meant?`)
}

async function main(): Promise<void> {
  checkOptions()
  const config = parseConfig(process.env)
  const log = jsonLog((line) => process.stderr.write(`${line}\n`), {
    level: process.env.LOG_LEVEL || !config.embedded ? config.logLevel : 'warn',
    clock: () => new Date(),
  })
  if (config.embeddedStore && !config.embedded) {
    say('Warning: the embedded store is for laptops and tests; it now listens beyond this machine.')
  }
  const running = await start(config, log)

  let stopping = false
  const shutDown = (signal: string) => {
    if (stopping) return
    stopping = true
    say(`${signal}: finishing what is under way …`)
    running.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log('error', 'the stop failed', { error: errorText(error) })
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', () => shutDown('SIGTERM'))
  process.on('SIGINT', () => shutDown('SIGINT'))

  if (running.demo && !process.argv.includes('--no-sample')) {
    await sendSample(config.dataDirectory, running.url, running.demo.apiKey, say)
  }
  if (running.storeUrl) say(`Embedded store (OSS protocol) at ${running.storeUrl}`)
  if (running.generatedKeys) say(`Admin key: ${running.adminKey}`)
  say(`Countersign ready at ${running.url}`)
}

main().catch((error: unknown) => {
  const known = error instanceof ConfigError
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(
    known
      ? `This configuration cannot be used:\n${message.replaceAll(/^/gm, '  ')}\nSee docs/configuration.md.\n`
      : `Countersign could not start: ${message}\n`,
  )
  process.exit(1)
})
