// The official Java SDK.
import { join } from 'node:path'
import { describeClient, driver, SDKS } from './driver.ts'

const classPath = [join(SDKS, 'java/oss-java-driver.jar'), join(SDKS, 'java/lib/*')].join(':')

describeClient(
  'aliyun-sdk-oss for Java',
  driver('java', '-XX:TieredStopAtLevel=1', '-cp', classPath, 'Driver'),
)
