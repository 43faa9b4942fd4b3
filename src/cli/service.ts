// `countersign serve`, `migrate` and `keys`: run the service, migrate the database of a service that runs elsewhere, and
// rotate the secrets in it.
import { defineCommand } from 'citty'
import { ConfigError } from '../config.ts'
import { errorText } from '../core/error-text.ts'
import { migrate } from '../db/migrate.ts'
import { resealAll } from '../node/keys.ts'

/** Secrets between two lines of progress. */
const PROGRESS_EVERY = 100

export interface ServiceContext {
  environment: Record<string, string | undefined>
  say: (line: string) => void
}

export const serveCommand = defineCommand({
  meta: { name: 'serve', description: 'Run the service, configured by environment variables' },
  args: {
    sample: {
      type: 'boolean',
      description: 'Send a sample file at the very first start',
      default: true,
    },
  },
  // The entry reads arguments and environment itself, as it does for `npm start`.
  run: async () => void (await import('../node.ts')),
})

/** A Worker never migrates, because many isolates start at once. */
export const migrateCommand = ({ environment, say }: ServiceContext) =>
  defineCommand({
    meta: { name: 'migrate', description: 'Apply all migrations to the database at DATABASE_URL' },
    async run() {
      const url = environment.DATABASE_URL
      if (!url) {
        say('Set DATABASE_URL to the database to migrate.')
        process.exitCode = 2
        return
      }
      try {
        await migrate(url, (warning) => say(`Warning: ${warning}`))
        say('The database is up to date.')
      } catch (error) {
        say(`Migration failed: ${error instanceof Error ? error.message : String(error)}`)
        process.exitCode = 1
      }
    },
  })

const resealCommand = ({ environment, say }: ServiceContext) =>
  defineCommand({
    meta: {
      name: 'reseal',
      description: 'Reseal all secrets in DATABASE_URL with the first key of SECRET_KEYS',
    },
    async run() {
      try {
        const { kid, resealed, unreadable, missing } = await resealAll(environment, {
          log: (_level, message, fields) => say(`${message}: ${JSON.stringify(fields)}`),
          progress(done, all) {
            if (done % PROGRESS_EVERY === 0 || done === all) say(`${done} of ${all} …`)
          },
        })
        say(`Sealed ${resealed} ${resealed === 1 ? 'secret' : 'secrets'} with the key "${kid}".`)
        if (missing) say(`SECRET_KEYS ${missing}`)
        else if (unreadable) say(`${unreadable} could not be decrypted and were left unchanged.`)
        else say('Secrets no longer need any other key.')
        if (missing || unreadable) process.exitCode = 1
      } catch (error) {
        const isUsage = error instanceof ConfigError
        say(isUsage ? error.message : `Resealing failed: ${errorText(error)}`)
        process.exitCode = isUsage ? 2 : 1
      }
    },
  })

export const keysCommand = (context: ServiceContext) =>
  defineCommand({
    meta: { name: 'keys', description: 'Rotate SECRET_KEYS (docs/operations.md)' },
    subCommands: { reseal: resealCommand(context) },
  })
