// `countersign serve` and `countersign migrate`: the service itself, and its database for where it runs elsewhere.
import { defineCommand } from 'citty'
import { migrate } from '../db/migrate.ts'

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
        await migrate(url)
        say('The database is at the newest migration.')
      } catch (error) {
        say(`Not migrated: ${error instanceof Error ? error.message : String(error)}`)
        process.exitCode = 1
      }
    },
  })
