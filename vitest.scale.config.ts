// `npm run test:scale`: several Node processes on one database, killed at random, and the steps of docs/deploy-node.md.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/scale/**/*.test.ts'],
    globalSetup: ['test/support/postgres.ts'],
    testTimeout: 3_600_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
  },
})
