// What deploy/countersign.service takes from the process leaves enough to serve. systemd's own opinion of the unit is asked
// for by deploy-node.test.ts.
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { freshDatabase } from '../support/postgres.ts'
import { startService } from '../support/service.ts'
import { startStore } from './store.ts'
import { allowedCalls, settingsOf, underFilter } from './unit-file.ts'

const ADMIN_KEY = 'an-admin-key-for-the-unit'

it('the service starts, serves and stops with the system calls that the unit leaves', async () => {
  expect(allowedCalls()).not.toContain('mount')
  expect(allowedCalls()).not.toContain('setuid')
  const [database, store] = await Promise.all([freshDatabase(), startStore()])
  const service = await startService({
    under: underFilter(),
    environment: {
      ...store.environment,
      DATABASE_URL: database.serviceUrl,
      DRAIN_SECONDS: '0',
      ADMIN_KEY,
      SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64url')}`,
    },
  })
  const isFiltered = /^Seccomp:\t2$/m
  expect(await readFile(`/proc/${service.process.pid}/status`, 'utf8')).toMatch(isFiltered)

  const ask = async (path: string, key: string, body: unknown) => {
    const response = await fetch(`${service.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as Record<string, string> }
  }
  const ready = await fetch(`${service.url}/readyz`)
  const app = await ask('/v1/apps', ADMIN_KEY, { name: 'mine' })
  const file = { subject: 'ada', filename: 'a.bin', sizeBytes: 9 }
  const created = await ask('/v1/uploads', app.body.apiKey!, file)

  expect([ready.status, app.status, created.status]).toEqual([200, 201, 201])
  expect(await service.stop()).toBe(0)
  await Promise.all([database.drop(), store.close()])
})

it('the unit denies nothing that V8 needs to compile, and never gives up while the database is away', () => {
  expect(settingsOf('MemoryDenyWriteExecute')).toEqual([])
  expect(settingsOf('StartLimitIntervalSec')).toEqual(['0'])
})
