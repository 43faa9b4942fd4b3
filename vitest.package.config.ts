// `npm run test:package`: the package as npm would publish it, installed into an empty project. Needs the registry.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/package/**/*.test.ts'],
    globalSetup: ['test/support/postgres.ts'],
    testTimeout: 120_000,
    hookTimeout: 240_000,
  },
})
