// `npm run test:s3`: the S3 dialect on real servers, Ceph and versitygw, with official clients as judges.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/s3/**/*.test.ts'],
    globalSetup: ['test/support/postgres.ts', 'test/s3/setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
})
