// versitygw as a second S3 server: files in a folder, parts of at least 5 MiB, no STS.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../support/ports.ts'
import { startKeeper } from './keeper.ts'
import { S3_FOLDER } from './peers.ts'
import { prepare, type RunningServer, type S3Server } from './server.ts'

const ROOT = { accessKeyId: 'VERSITYROOT', secretAccessKey: 'secret-of-the-root' }

export async function startVersitygw(): Promise<RunningServer> {
  const keeper = await startKeeper('versitygw')
  try {
    const port = await freePort()
    const data = join(keeper.folder, 'data')
    await mkdir(data)
    keeper.start({
      name: 'versitygw',
      command: join(S3_FOLDER, 'bin/versitygw'),
      args: ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', data],
      env: { ROOT_ACCESS_KEY: ROOT.accessKeyId, ROOT_SECRET_KEY: ROOT.secretAccessKey },
    })
    const endpoint = `http://127.0.0.1:${port}`
    await keeper.answering(endpoint, 'versitygw')
    const server: S3Server = {
      name: 'versitygw',
      endpoint,
      region: 'us-east-1',
      bucket: 'countersign-test',
      ...ROOT,
    }
    await prepare(server)
    return { server, end: keeper.end }
  } catch (error) {
    await keeper.end()
    throw error
  }
}
