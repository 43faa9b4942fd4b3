// `countersign serve`, `countersign migrate` and `countersign keys`: the service itself, its database for where it runs
// elsewhere, and the secrets in that database.
import { defineCommand } from 'citty'
import { ConfigError } from '../config.ts'
import { errorText } from '../core/error-text.ts'
import { migrate } from '../db/migrate.ts'
import { resealAll } from '../node/keys.ts'

/** A line of progress after so many secrets. */
const PROGRESS_EVERY = 100

export interface ServiceContext {
  environment: Record<string, string | undefined>
  say: (line: string) => void
}

export const serveCommand = defineCommand({
  meta: { name: 'serve', description: 'Run the service; its environment is its configuration' },
  args: {
    sample: {
      type: 'boolean',
      description: 'Send a sample at the very first start',
      default: true,
    },
  },
  // The entry reads arguments and environment itself, as it does for `npm start`.
  run: async () => void (await import('../node.ts')),
})

/** The Worker never migrates: it may be many, and a migration is one. */
export const migrateCommand = ({ environment, say }: ServiceContext) =>
  defineCommand({
    meta: { name: 'migrate', description: 'Bring DATABASE_URL to the newest migration' },
    async run() {
      const url = environment.DATABASE_URL
      if (!url) {
        say('Set DATABASE_URL to the database that is to be migrated.')
        process.exitCode = 2
        return
      }
      try {
        await migrate(url, (warning) => say(`Warning: ${warning}`))
        say('The database is at the newest migration.')
      } catch (error) {
        say(`Not migrated: ${error instanceof Error ? error.message : String(error)}`)
        process.exitCode = 1
      }
    },
  })

const resealCommand = ({ environment, say }: ServiceContext) =>
  defineCommand({
    meta: {
      name: 'reseal',
      description: 'Seal all secrets in DATABASE_URL with the first key of SECRET_KEYS',
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
        else if (unreadable) say(`${unreadable} could not be opened and were left as they are.`)
        else say('No other key is needed for secrets any more.')
        if (missing || unreadable) process.exitCode = 1
      } catch (error) {
        const isUsage = error instanceof ConfigError
        say(isUsage ? error.message : `Not done: ${errorText(error)}`)
        process.exitCode = isUsage ? 2 : 1
      }
    },
  })

export const keysCommand = (context: ServiceContext) =>
  defineCommand({
    meta: { name: 'keys', description: 'Rotate SECRET_KEYS (docs/operations.md)' },
    subCommands: { reseal: resealCommand(context) },
  })
