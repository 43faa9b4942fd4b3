// ossutil, the official command-line client: uploads with resume, lists what is unfinished, and removes it.
import { once } from 'node:events'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { BUCKET, FILE_BYTES, PART_BYTES, REGION, run, SDKS, useStore } from './driver.ts'

describe.each(['v4', 'v1'] as const)('ossutil with signature %s', (signature) => {
  const context = useStore()
  let proxy: Server | undefined

  afterEach(() => {
    proxy?.closeAllConnections()
    proxy?.close()
    proxy = undefined
  })

  /** Away from any configuration file of this machine. */
  async function ossutil(command: string, options: { endpoint?: string }, ...args: string[]) {
    const { accessKeyId, secretAccessKey, sessionToken } = context.credentials
    const home = await mkdtemp(join(context.directory, 'home-'))
    return run(
      join(SDKS, 'bin/ossutil'),
      { cwd: home, env: { HOME: home } },
      ...[command, ...args],
      ...['-e', options.endpoint ?? context.store.url, '-i', accessKeyId, '-k', secretAccessKey],
      ...(sessionToken ? ['-t', sessionToken] : []),
      ...(signature === 'v4' ? ['--sign-version', 'v4', '--region', REGION] : []),
    )
  }

  const cp = (key: string, checkpoints: string, options: { endpoint?: string } = {}) =>
    ossutil(
      'cp',
      options,
      ...[context.file, `oss://${BUCKET}/${key}`, '--force'],
      ...['--bigfile-threshold', String(PART_BYTES), '--part-size', String(PART_BYTES)],
      ...['--checkpoint-dir', checkpoints, '--parallel', '1', '--jobs', '1', '--retry-times', '1'],
    )

  /** The endpoint of a network that fails at every part after the second. */
  async function cuttingEndpoint(): Promise<string> {
    let parts = 0
    proxy = createServer((incoming, outgoing) => {
      const isPart = incoming.method === 'PUT' && incoming.url?.includes('partNumber=')
      if (isPart && ++parts > 2) return void incoming.socket.destroy()
      const { method, url, headers } = incoming
      const forwarded = request(`${context.store.url}${url}`, { method, headers }, (answer) => {
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
  async function interruptedUpload(key: string, checkpoints: string): Promise<string> {
    await mkdir(checkpoints, { recursive: true })
    const cut = await cp(key, checkpoints, { endpoint: await cuttingEndpoint() })
    expect(cut.code, cut.stdout).not.toBe(0)
    const [upload] = await context.dialect().listUploads(key)
    return upload!.storageUploadId
  }

  test('uploads in parts', async () => {
    const key = "clips/a b ü文+&'(1)!~.bin"

    const { code, stdout, stderr } = await cp(key, join(context.directory, 'cp'))

    expect(code, stdout + stderr).toBe(0)
    expect(await context.dialect().head(key)).toMatchObject({
      sizeBytes: FILE_BYTES,
      etag: expect.stringMatching(/-5$/),
    })
    await context.expectStored(key)
  })

  test('resumes an interrupted upload, sending no stored part again', async () => {
    const key = 'clips/resumed.bin'
    const checkpoints = join(context.directory, 'cp-resume')
    const uploadId = await interruptedUpload(key, checkpoints)
    expect(context.partsReceived(key)).toBe(2)

    const { code, stdout, stderr } = await cp(key, checkpoints)

    expect(code, stdout + stderr).toBe(0)
    expect(context.partsReceived(key)).toBe(5)
    expect(await context.dialect().head(key)).toBeDefined()
    await context.expectStored(key)
    const left = await context.dialect().listUploads(key)
    expect(left.map(({ storageUploadId }) => storageUploadId)).not.toContain(uploadId)
  })

  test('lists an unfinished upload and its parts, and removes it', async () => {
    const key = 'clips/unfinished.bin'
    const uploadId = await interruptedUpload(key, join(context.directory, 'cp-unfinished'))

    const uploads = await ossutil('ls', {}, '-m', `oss://${BUCKET}/${key}`)
    const parts = await ossutil('listpart', {}, `oss://${BUCKET}/${key}`, uploadId)
    const removed = await ossutil('rm', {}, '-m', '--force', `oss://${BUCKET}/${key}`)
    const after = await ossutil('listpart', {}, `oss://${BUCKET}/${key}`, uploadId)

    expect(uploads.stdout).toMatch(new RegExp(`${uploadId}\\s+oss://${BUCKET}/${key}`))
    expect(parts.stdout).toContain('total part count')
    expect(parts.stdout.match(new RegExp(`^.*\\s${PART_BYTES}\\s.*$`, 'gm'))).toHaveLength(2)
    expect(removed.code, removed.stdout + removed.stderr).toBe(0)
    expect(after.stdout + after.stderr).toContain('NoSuchUpload')
    expect(await context.dialect().listUploads(key)).toEqual([])
  })
})
