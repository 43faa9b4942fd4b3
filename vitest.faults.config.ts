// The suite of `npm run test:faults`: races in every order, the fault matrix, random runs against the model, real kills.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/faults/**/*.test.ts'],
    globalSetup: ['test/support/postgres.ts'],
    testTimeout: 3_600_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    // The matrix and the seeds are for a person at a terminal.
    disableConsoleIntercept: true,
  },
})
