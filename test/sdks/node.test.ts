// The official npm client, as a program of its own. test/conformance/ali-oss.test.ts has the finer points.
import { join } from 'node:path'
import { describeClient, driver } from './driver.ts'

describeClient(
  'ali-oss for Node',
  driver(process.execPath, join(import.meta.dirname, 'node/ali-oss.mjs')),
)
