// The servers themselves: they answer official clients, and nothing of them outlives who started them.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, expect, inject, test } from 'vitest'
import { watchFolder } from '../faults/processes.ts'
import { s3Client } from './peers.ts'

describe.each(['ceph', 'versitygw'] as const)('%s', (name) => {
  test('stores what the official client sends, and refuses another secret', async () => {
    const server = inject(name)
    const where = { Bucket: server.bucket, Key: 'servers/a+b ü.txt' }
    const owner = s3Client(server)
    const forger = s3Client({ ...server, secretAccessKey: 'another' })

    await owner.send('PutObject', { ...where, Body: 'hello' })
    const { Body } = await owner.send('GetObject', where)
    expect(await Body.transformToString()).toBe('hello')
    const forged = forger.send('PutObject', { ...where, Body: 'evil' })
    await expect(forged).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } })
    for (const { client } of [owner, forger]) client.destroy()
  })
})

test('ends its programs and removes their folder when its own process is killed', async () => {
  const script = `
    const { spawn } = require('node:child_process')
    const { mkdtempSync } = require('node:fs')
    const folder = mkdtempSync(require('node:os').tmpdir() + '/countersign-keeper-')
    const keeper = spawn(process.execPath, [process.argv[1], folder], { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
    keeper.stdin.write(JSON.stringify({ name: 'idle', command: 'sleep', args: ['600'], env: { FOLDER: folder } }) + '\\n')
    const look = () => require('node:fs').existsSync(folder + '/idle.out') ? console.log(folder) : setTimeout(look, 10)
    look()`
  const keeper = new URL('keeper.mjs', import.meta.url).pathname
  const owner = spawn(process.execPath, ['-e', script, keeper], { stdio: ['ignore', 'pipe', 2] })
  const folder = await new Promise<string>((resolve) =>
    owner.stdout!.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())),
  )
  const watch = watchFolder(folder)
  watch.look([owner.pid!])
  const gone = new Promise((resolve) => owner.once('exit', resolve))

  owner.kill('SIGKILL')
  await gone

  expect(await watch.remaining([])).toEqual([])
  expect(existsSync(folder)).toBe(false)
})
