// `npm run test:worker`: the Worker in a real workerd, against a real PostgreSQL and the embedded store.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/e2e/worker*.test.ts'],
    globalSetup: ['test/support/postgres.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
