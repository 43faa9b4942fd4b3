// Mistakes at the start: each gives one sentence that names the setting, without a stack or a secret.
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase } from '../support/postgres.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const KEYS = {
  ADMIN_KEY: 'x'.repeat(24),
  SECRET_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64url')}`,
}

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-mistakes-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

function run(program: string, args: string[], environment: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, program), ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: directory,
      DATA_DIR: directory,
      PORT: '0',
      ...environment,
    },
    encoding: 'utf8',
    timeout: 30_000,
  })
  return { status, stdout, stderr }
}
const start = (environment: Record<string, string>) => run('dist/node.js', [], environment)
const said = (...faults: string[]) => ({
  status: 1,
  stdout: '',
  stderr: `This configuration cannot be used:\n${faults.map((fault) => `  ${fault}\n`).join('')}See docs/configuration.md.\n`,
})

describe('a start with', () => {
  it('a misspelt setting is refused, instead of being embedded', () => {
    expect(start({ STORE_DIALET: 'oss' })).toEqual(
      said('STORE_DIALET: is no setting; is STORE_DIALECT meant? Correct or unset it'),
    )
  })

  it('several faults tells them all', () => {
    expect(start({ PORT: 'abc', PUBLIC_URL: 'example.com', STORE_DIALECT: 'azure' })).toEqual(
      said(
        'PORT: must be a number',
        'PUBLIC_URL: must be an http or https URL such as https://uploads.example.com',
        'STORE_DIALECT: must be oss or s3',
      ),
    )
  })

  it('a database that is not there, refuses or does not exist names DATABASE_URL', async () => {
    const database = await freshDatabase()
    const url = new URL(database.url)
    const changed = (change: (url: URL) => void) => {
      const other = new URL(url)
      change(other)
      return start({ DATABASE_URL: other.href })
    }
    const { host } = url

    expect(start({ DATABASE_URL: 'postgres://me:s3cret@127.0.0.1:1/x' })).toEqual(
      said('DATABASE_URL: cannot reach the database at 127.0.0.1:1 (ECONNREFUSED)'),
    )
    expect(
      changed((other) => {
        other.username = 'nobody'
        other.password = 's3cret'
      }),
    ).toEqual(
      said(`DATABASE_URL: the database at ${host} refuses the user "nobody" or its password`),
    )
    expect(
      changed((other) => {
        other.pathname = '/nowhere'
      }),
    ).toEqual(said(`DATABASE_URL: there is no database "nowhere" at ${host}`))
    await database.drop()
  })

  it('a port that is taken names it', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as { port: number }
    const database = await freshDatabase()

    expect(start({ PORT: String(port), STORE_PORT: '0', DATABASE_URL: database.url })).toEqual(
      said(`PORT: port ${port} on 127.0.0.1 is taken; stop what uses it, or give another`),
    )
    taken.close()
    await database.drop()
  })

  it('one port for service and store names STORE_PORT', () => {
    expect(start({ PORT: '29871', STORE_PORT: '29871' })).toEqual(
      said('STORE_PORT: is the same as PORT; leave it out, or give another'),
    )
  })

  it('a host of another machine names HOST', async () => {
    const database = await freshDatabase()
    const environment = { ...KEYS, DATABASE_URL: database.url, HOST: '192.0.2.1' }

    expect(start(environment)).toMatchObject({
      status: 1,
      stderr: said('HOST: 192.0.2.1 is no address of this machine').stderr,
    })
    await database.drop()
  })

  it('a file for a folder names DATA_DIR', async () => {
    const file = join(directory, 'file')
    await writeFile(file, '')

    expect(start({ DATA_DIR: file })).toEqual(said(`DATA_DIR: ${file} is not a folder`))
  })

  it('an option that there is not is refused', () => {
    expect(run('dist/node.js', ['--no-sampel'])).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'Countersign could not start: There is no option --no-sampel. Is --no-sample meant?\n',
    })
  })
})

describe('the command line', () => {
  const countersign = (...args: string[]) => run('bin/countersign.js', args)

  it('tells its version', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    const expected = { status: 0, stdout: `${version}\n`, stderr: '' }

    expect(countersign('--version')).toEqual(expected)
    expect(countersign('-v')).toEqual(expected)
  })

  it.each([
    [['upload', 'a.bin', '--polciy', 'x'], '--polciy. Did you mean --policy?'],
    [['upload', '--subject', 'ada', 'a.bin', '--jsn'], '--jsn. Did you mean --json?'],
    [['serve', '--no-sampel'], '--no-sampel. Did you mean --no-sample?'],
    [['resume', '--everything=1'], '--everything. See --help.'],
    [['bucket', 'apply', '--dyas', '3'], '--dyas. Did you mean --days?'],
    [['status', 'upl_1', '-x'], '-x. See --help.'],
    [['--verbose', 'status', 'upl_1'], '--verbose. See --help.'],
  ])('%j is refused before anything is done', (args, text) => {
    expect(countersign(...args)).toEqual({
      status: 2,
      stdout: '',
      stderr: `Unknown option ${text}\n`,
    })
  })

  it.each([
    [['upload', '--key', '--odd', '--subject=a', '--no-json', '--', '--not-an-option']],
    [['resume', '--list', '--parallel', '4']],
  ])('%j has no unknown option', (args) => {
    expect(countersign(...args).stderr).not.toContain('Unknown option')
  })
})
