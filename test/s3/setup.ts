// Vitest's globalSetup of `npm run test:s3`: both servers, once for the run.
import type { TestProject } from 'vitest/node'
import { startCeph } from './ceph.ts'
import type { S3Server } from './server.ts'
import { startVersitygw } from './versitygw.ts'

declare module 'vitest' {
  interface ProvidedContext {
    ceph: S3Server
    versitygw: S3Server
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = await Promise.allSettled([startCeph(), startVersitygw()])
  const running = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const end = async () => void (await Promise.all(running.map((one) => one.end())))
  for (const one of started) {
    if (one.status === 'fulfilled') project.provide(one.value.server.name, one.value.server)
    else {
      await end()
      throw one.reason
    }
  }
  return end
}
