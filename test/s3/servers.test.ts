// The servers themselves: they answer official clients, and nothing of them outlives who started them.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  const folder = await mkdtemp(join(tmpdir(), 'countersign-keeper-'))
  const watch = watchFolder(folder)
  const script = `
    const { existsSync } = require('node:fs')
    const [keeper, folder] = process.argv.slice(1)
    const stdio = ['pipe', 'pipe', 'inherit']
    const child = require('node:child_process').spawn(process.execPath, [keeper, folder], { stdio, detached: true })
    const program = { name: 'idle', command: 'sleep', args: ['600'], env: { FOLDER: folder } }
    child.stdin.write(JSON.stringify(program) + '\\n')
    const look = () => existsSync(folder + '/idle.out') ? console.log('started') : setTimeout(look, 10)
    look()`
  const keeper = new URL('keeper.mjs', import.meta.url).pathname
  const owner = spawn(process.execPath, ['-e', script, keeper, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(owner.stdout!, 'data')
  // The owner, the keeper and its program. The log exists just before the program runs.
  while (watch.count() < 3) watch.look([])
  const gone = once(owner, 'exit')

  owner.kill('SIGKILL')
  await gone

  expect(await watch.remaining([])).toEqual([])
  expect(existsSync(folder)).toBe(false)
})
