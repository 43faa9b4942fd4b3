// ossutil, the official command-line client, with credentials that a running Countersign issued: uploads, resumes, lists
// its parts. What asks for the whole bucket needs the store's own key.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type Account, FILE_BYTES, PART_BYTES, PART_COUNT, useCountersign } from './countersign.ts'
import { run, SDKS } from './programs.ts'

const MB = 1024 * 1024
const countersign = useCountersign()

describe.each(['v4', 'v1'] as const)('ossutil with signature %s', (signature) => {
  let proxy: Server | undefined

  afterEach(() => {
    proxy?.closeAllConnections()
    proxy?.close()
    proxy = undefined
  })

  /** Away from any configuration file of this machine. */
  async function ossutil(account: Account, command: string, ...args: string[]) {
    const home = await mkdtemp(join(countersign.directory, 'home-'))
    return run(
      join(SDKS, 'bin/ossutil'),
      { cwd: home, env: { HOME: home } },
      ...[command, ...args],
      ...['-e', account.endpoint, '-i', account.accessKeyId, '-k', account.secretAccessKey],
      ...(account.sessionToken ? ['-t', account.sessionToken] : []),
      ...(signature === 'v4' ? ['--sign-version', 'v4', '--region', account.region] : []),
    )
  }

  async function cp(account: Account, key: string, checkpoints: string) {
    const home = await mkdtemp(join(countersign.directory, 'home-'))
    const env = {
      HOME: home,
      PATH: `${join(SDKS, 'bin')}:${process.env.PATH}`,
      FILE: countersign.file,
      BUCKET: account.bucket,
      KEY: key,
      ENDPOINT: account.endpoint,
      REGION: account.region,
      SIGN_VERSION: signature,
      ACCESS_KEY_ID: account.accessKeyId,
      SECRET_ACCESS_KEY: account.secretAccessKey,
      SESSION_TOKEN: account.sessionToken ?? '',
      PART_SIZE_BYTES: String(PART_BYTES),
      CHECKPOINTS: checkpoints,
    }
    return run('bash', { cwd: home, env }, join(import.meta.dirname, 'shell/upload.sh'))
  }

  /** The endpoint of a network that fails at every part after the second. */
  async function cuttingEndpoint(): Promise<string> {
    let parts = 0
    proxy = createServer((incoming, outgoing) => {
      const isPart = incoming.method === 'PUT' && incoming.url?.includes('partNumber=')
      if (isPart && ++parts > 2) return void incoming.socket.destroy()
      const { method, url, headers } = incoming
      const target = `${countersign.owner.endpoint}${url}`
      const forwarded = request(target, { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(outgoing)
      })
      incoming.pipe(forwarded)
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  }

  /** An upload that was cut after two parts; its checkpoint stays in the directory. */
  async function interrupted(account: Account, key: string, checkpoints: string): Promise<void> {
    await mkdir(checkpoints, { recursive: true })
    const cut = await cp({ ...account, endpoint: await cuttingEndpoint() }, key, checkpoints)
    expect(cut.code, cut.stdout).not.toBe(0)
  }

  const checkpointsIn = () => mkdtemp(join(countersign.directory, 'cp-'))

  test('uploads in parts, and completing finds the object', async () => {
    const issued = await countersign.credentials()

    const { code, stdout, stderr } = await cp(issued, issued.key, await checkpointsIn())

    expect(code, stdout + stderr).toBe(0)
    expect((await countersign.complete(issued.uploadId)).body).toMatchObject({
      state: 'completed',
      object: { sizeBytes: FILE_BYTES },
    })
    await countersign.expectStored(issued.uploadId)
  })

  test('resumes an interrupted upload, and sends no part twice', async () => {
    const issued = await countersign.credentials()
    const checkpoints = await checkpointsIn()
    await interrupted(issued, issued.key, checkpoints)
    expect(await countersign.partsReceived(issued.key)).toBe(2)

    const { code, stdout, stderr } = await cp(issued, issued.key, checkpoints)

    expect(code, stdout + stderr).toBe(0)
    expect(await countersign.partsReceived(issued.key)).toBe(PART_COUNT)
    expect((await countersign.complete(issued.uploadId)).body.state).toBe('completed')
    await countersign.expectStored(issued.uploadId)
  })

  test('the operator copies an object in and out, lists it, asks for its facts, and removes it', async () => {
    const { owner } = countersign
    const target = `oss://${owner.bucket}/operator/a b ü.bin`
    const down = join(await mkdtemp(join(countersign.directory, 'down-')), 'file.bin')
    const succeeds = async (command: string, ...args: string[]) => {
      const { code, stdout, stderr } = await ossutil(owner, command, ...args)
      expect(code, stdout + stderr).toBe(0)
      return stdout
    }

    await succeeds('cp', countersign.file, target)
    await succeeds('cp', target, `${target}.copy`)
    await succeeds('cp', `${target}.copy`, down)
    const listed = await succeeds('ls', `oss://${owner.bucket}/operator/`)
    const facts = await succeeds('stat', target)
    await succeeds('rm', target)
    await succeeds('rm', '-r', '--force', `oss://${owner.bucket}/operator/`)
    const after = await succeeds('ls', `oss://${owner.bucket}/operator/`)

    expect((await readFile(down)).equals(Buffer.from(countersign.content))).toBe(true)
    expect(listed).toContain(target)
    expect(listed).toContain('Object Number is: 2')
    expect(facts).toMatch(/^ACL\s*: default/m)
    expect(facts).toMatch(new RegExp(`^Content-Length\\s*: ${FILE_BYTES}`, 'm'))
    expect(after).toContain('Object Number is: 0')
  })

  test('the operator resumes a copy of 200 MB, and sends no part twice', async () => {
    const { owner } = countersign
    const [key, partBytes, count] = [`large-${signature}.bin`, 20 * MB, 10]
    const file = join(countersign.directory, key)
    const content = randomBytes(count * partBytes)
    await writeFile(file, content)
    const checkpoints = await checkpointsIn()
    const large = [
      ...['cp', file, `oss://${owner.bucket}/${key}`, '--checkpoint-dir', checkpoints],
      ...['--bigfile-threshold', String(partBytes), '--part-size', String(partBytes)],
      ...['--parallel', '1', '--jobs', '1', '--retry-times', '1'],
    ] as const
    const cut = await ossutil({ ...owner, endpoint: await cuttingEndpoint() }, ...large)
    expect(cut.code, cut.stdout).not.toBe(0)
    expect(await countersign.partsReceived(key), cut.stdout + cut.stderr).toBe(2)

    const { code, stdout, stderr } = await ossutil(owner, ...large)

    expect(code, stdout + stderr).toBe(0)
    expect(await countersign.partsReceived(key)).toBe(count)
    const down = `${file}.down`
    expect((await ossutil(owner, 'cp', `oss://${owner.bucket}/${key}`, down)).code).toBe(0)
    expect((await readFile(down)).equals(content)).toBe(true)
  })

  test('lists the parts of an unfinished upload; the operator finds it in the bucket and removes it', async () => {
    const issued = await countersign.credentials({ filename: 'unfinished.bin' })
    await interrupted(issued, issued.key, await checkpointsIn())
    const target = `oss://${issued.bucket}/${issued.key}`
    const { owner } = countersign

    const notOurs = await ossutil(issued, 'ls', '-m', target)
    const uploads = await ossutil(owner, 'ls', '-m', target)
    const [, uploadId = ''] = /\b([0-9A-F]{32})\s+oss:/.exec(uploads.stdout) ?? []
    const parts = await ossutil(issued, 'listpart', target, uploadId)
    const removed = await ossutil(owner, 'rm', '-m', '--force', target)
    const after = await ossutil(issued, 'listpart', target, uploadId)

    expect(notOurs.stdout + notOurs.stderr).toContain('AccessDenied')
    expect(uploads.stdout).toContain(target)
    expect(parts.stdout).toContain('total part count')
    expect(parts.stdout.match(new RegExp(`^.*\\s${PART_BYTES}\\s.*$`, 'gm'))).toHaveLength(2)
    expect(removed.code, removed.stdout + removed.stderr).toBe(0)
    expect(after.stdout + after.stderr).toContain('NoSuchUpload')
    expect((await countersign.status(issued.uploadId)).state).toBe('open')
  })
})
