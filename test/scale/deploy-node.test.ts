// docs/deploy-node.md does what it says: its shell blocks run one after the other, as a user without rights.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { emptyDatabase } from '../support/postgres.ts'
import { copySources, place, ROOT } from './checkout.ts'
import { freePort } from './free-port.ts'
import { startStore } from './store.ts'

const BLOCK = /^```sh([^\n]*)\n(.*?)^```$/gms

it('the blocks of docs/deploy-node.md build, start, ask and stop the service', async () => {
  const page = await readFile(join(ROOT, 'docs/deploy-node.md'), 'utf8')
  const blocks = [...page.matchAll(BLOCK)].map(([, mark, text]) => ({ mark: mark!.trim(), text }))
  const [settings, ...rest] = blocks.filter(({ mark }) => mark !== 'not-run')
  expect(settings?.text).toContain('export DATABASE_URL=')
  expect(blocks.filter(({ mark }) => mark === 'not-run')).toHaveLength(3)
  expect(rest.map(({ text }) => text).join()).not.toContain('docker')

  const [machine, database, store] = await Promise.all([place(), emptyDatabase(), startStore()])
  const port = String(await freePort())
  const sources = join(machine.path, 'countersign')
  await copySources(sources)
  await machine.give(sources)
  // As a managed database writes it. No test database has TLS.
  const url = new URL(database.url)
  url.searchParams.set('sslmode', 'disable')
  url.searchParams.set('channel_binding', 'prefer')
  const environment = {
    DATABASE_URL: url.href,
    PORT: port,
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    ...store.environment,
  }
  const [file, ...further] = rest.map(({ text }, index) => `echo "— block ${index + 1}"\n${text}`)
  // From here on what the service needs is in the file alone.
  const onlyFromFile = 'export -n $(cut -d= -f1 countersign.env)'
  const script = [file, onlyFromFile, ...further].join('\n')
  // Whatever block fails, the service that an earlier one started is not left behind.
  const guarded = `trap 'kill -9 \${service:-} 2>/dev/null || true' EXIT\n${script}`
  const { code, output } = await machine.run(guarded, environment, sources)

  expect(output).toContain('"status":"ready"')
  expect(output).toMatch(/"apiKey":"csk_/)
  expect(output).toContain('Overall exposure level')
  // What `verify` only warns of.
  expect(output).not.toMatch(/countersign\.service:\d+:/)
  expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' })
  await Promise.all([machine.remove(), database.drop(), store.close()])
})
