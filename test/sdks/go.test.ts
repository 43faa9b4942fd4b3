// The official Go SDK, v3.
import { join } from 'node:path'
import { describeClient, driver, SDKS } from './driver.ts'

describeClient('aliyun-oss-go-sdk', driver(join(SDKS, 'bin/go-driver')))
