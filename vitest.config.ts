// The suite of `npm test`: unit, integration, conformance and e2e, all on loopback, with one PostgreSQL for the run.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [
      'test/e2e/worker*.test.ts',
      'test/sdks/**',
      'test/s3/**',
      'test/package/**',
      'test/faults/**',
      'test/scale/**',
    ],
    globalSetup: ['test/support/postgres.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
})
