// The suite of `npm run test:sdks`: official OSS clients in several languages against our signatures and our store.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/sdks/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
})
