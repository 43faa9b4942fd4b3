// The two official Python SDKs: oss2 and alibabacloud-oss-v2.
import { join } from 'node:path'
import { describeClient, driver, SDKS } from './driver.ts'

const python = (file: string) =>
  driver(join(SDKS, 'python/bin/python'), join(import.meta.dirname, 'python', file))

describeClient('oss2 for Python', python('oss2_driver.py'))
describeClient('alibabacloud-oss-v2 for Python', python('oss_v2_driver.py'))
