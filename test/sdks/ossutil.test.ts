// ossutil, the official command-line client, with credentials that a running Countersign issued: uploads, resumes, lists
// its parts. What asks for the whole bucket needs the store's own key.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type Account, FILE_BYTES, PART_BYTES, PART_COUNT, useCountersign } from './countersign.ts'
import { run, SDKS } from './programs.ts'

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

  /** The endpoint of a network that fails at every part after the given number of them. `atCut` runs first. */
  async function cuttingEndpoint(after = 2, atCut = () => {}): Promise<string> {
    let parts = 0
    proxy = createServer((incoming, outgoing) => {
      const isPart = incoming.method === 'PUT' && incoming.url?.includes('partNumber=')
      if (isPart && ++parts > after) {
        atCut()
        return void incoming.socket.destroy()
      }
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

  describe('as the operator, with the store’s own key', () => {
    const target = (key: string) => `oss://${countersign.owner.bucket}/${key}`

    async function ok(command: string, ...args: string[]): Promise<string> {
      const { code, stdout, stderr } = await ossutil(countersign.owner, command, ...args)
      expect(code, stdout + stderr).toBe(0)
      return stdout
    }

    test('cp, ls, stat and rm work on objects and on a folder', async () => {
      const folder = `ops-${signature}`
      const small = join(countersign.directory, `small-${signature}.txt`)
      const back = join(countersign.directory, `back-${signature}.txt`)
      await writeFile(small, 'hello')

      await ok('cp', small, target(`${folder}/a.txt`))
      await ok('cp', target(`${folder}/a.txt`), target(`${folder}/copy b.txt`))
      await ok('cp', target(`${folder}/copy b.txt`), back)
      expect(await readFile(back, 'utf8')).toBe('hello')

      expect(await ok('ls', target(folder))).toContain('Object Number is: 2')
      expect(await ok('ls', '-d', target(''))).toContain(target(`${folder}/`))
      const stat = await ok('stat', target(`${folder}/a.txt`))
      expect(stat).toMatch(/^ACL\s+: default$/m)
      expect(stat).toMatch(/^Content-Length\s+: 5$/m)

      await ok('rm', target(`${folder}/a.txt`))
      expect(await ok('ls', target(folder))).toContain('Object Number is: 1')
      await ok('rm', '-r', '--force', target(`${folder}/`))
      expect(await ok('ls', target(folder))).toContain('Object Number is: 0')
    })

    test.runIf(signature === 'v4')(
      'cp of 200 MB goes on after it was killed in the middle',
      async () => {
        const [partBytes, partCount, key] = [10 * 1024 * 1024, 20, 'big.bin']
        const big = join(countersign.directory, key)
        const back = join(countersign.directory, 'big-back.bin')
        const content = randomBytes(partBytes * partCount)
        await writeFile(big, content)
        const checkpoints = await checkpointsIn()
        const { owner } = countersign
        const args = (endpoint: string) => [
          ...['cp', big, target(key), '--force', '-e', endpoint],
          ...['-i', owner.accessKeyId, '-k', owner.secretAccessKey],
          ...['--sign-version', 'v4', '--region', owner.region, '--checkpoint-dir', checkpoints],
          ...['--part-size', String(partBytes), '--bigfile-threshold', String(partBytes)],
          ...['--parallel', '1', '--jobs', '1'],
        ]
        const env = { ...process.env, HOME: await mkdtemp(join(countersign.directory, 'home-')) }
        let kill = () => {}
        const endpoint = await cuttingEndpoint(10, () => kill())
        const first = spawn(join(SDKS, 'bin/ossutil'), args(endpoint), { env, stdio: 'ignore' })
        kill = () => first.kill('SIGKILL')
        const [, signal] = await once(first, 'exit')
        expect(signal).toBe('SIGKILL')
        expect(await countersign.partsReceived(key)).toBe(10)

        const second = await run(join(SDKS, 'bin/ossutil'), { env }, ...args(owner.endpoint))

        expect(second.code, second.stdout + second.stderr).toBe(0)
        // The kill may come before the last part is noted in the checkpoint: it is then sent again.
        const received = await countersign.partsReceived(key)
        expect([partCount, partCount + 1]).toContain(received)
        await ok('cp', target(key), back, '--force')
        expect((await readFile(back)).equals(content)).toBe(true)
        await ok('rm', target(key))
      },
      180_000,
    )
  })
})
