// deploy/compose.yml, which cannot run here. Everything it names exists, and its service would start, be reachable, and have
// enough time to stop.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { parseConfig } from '../../src/config.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

interface Service {
  image?: string
  build?: string
  env_file?: string
  environment?: Record<string, string>
  depends_on?: Record<string, { condition: string }>
  expose?: string[]
  healthcheck?: { test: string[] }
  stop_grace_period?: string
  volumes?: string[]
}
interface Compose {
  services: { countersign: Service; database: Service }
  volumes: Record<string, unknown>
}

const { services, volumes } = parse(read('deploy/compose.yml')) as Compose
const { countersign, database } = services
const dockerfile = read('Dockerfile')
const page = read('docs/deploy-node.md')
const PASSWORD = '0123456789abcdef'
const SOME_VALUE = 'a-value-that-is-long-enough-for-a-key'

/** The environment file that docs/deploy-node.md creates, with a value for each name. */
function environmentFile(): Record<string, string> {
  const [, block] = /cat > countersign\.env <<END\n(.*?)^END$/ms.exec(page)!
  const names = [...block!.matchAll(/^(\w+)=\$\1$/gm)].map(([, name]) => name!)
  const values: Record<string, string> = {
    DATABASE_URL: 'postgres://countersign:password@127.0.0.1:5432/countersign',
    PORT: '9000',
    PUBLIC_URL: 'https://uploads.example.com',
    STORE_DIALECT: 'oss',
    SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64url')}`,
  }
  return Object.fromEntries(names.map((name) => [name, values[name] ?? SOME_VALUE]))
}

/** The environment in the container: the image's variables, then the file's, then Compose's own. */
function configInside() {
  const [, image] = /^ENV (.*)$/m.exec(dockerfile)!
  const own = Object.entries(countersign.environment!).map(([name, value]) => [
    name,
    value.replace('${POSTGRES_PASSWORD:?}', PASSWORD),
  ])
  return parseConfig({
    ...Object.fromEntries(image!.split(' ').map((pair) => pair.split('='))),
    ...environmentFile(),
    HOST: '127.0.0.1', // As somebody may have added for Node or systemd.
    ...Object.fromEntries(own),
  })
}

it('builds from the Dockerfile, and reads the settings file that the page creates', () => {
  expect(services).toEqual({ countersign, database })
  expect(countersign.build).toBe('..')
  expect(countersign.env_file).toBe('countersign.env')
  expect(page).toContain('cp countersign.env deploy/\n')
  expect(page).toContain('docker compose -f deploy/compose.yml up')
})

it('the service is reachable from outside its container, at the exposed port', () => {
  const { host, port } = configInside()

  expect(host).toBe('0.0.0.0')
  expect(countersign.expose).toEqual([String(port)])
  expect(dockerfile).toContain(`\nEXPOSE ${port}\n`)
})

it('the service reaches the database with the role and password it was created with', () => {
  const { POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD } = database.environment!
  const url = new URL(configInside().databaseUrl!)

  expect(POSTGRES_PASSWORD).toBe('${POSTGRES_PASSWORD:?}')
  expect(url.href).toBe(`postgres://${POSTGRES_USER}:${PASSWORD}@database:5432/${POSTGRES_DB}`)
  expect(page).toContain('POSTGRES_PASSWORD=$(openssl rand -hex 24)" > deploy/.env')
})

it('the service waits until the database is healthy for that role', () => {
  expect(countersign.depends_on).toEqual({ database: { condition: 'service_healthy' } })
  const { POSTGRES_USER } = database.environment!
  expect(database.healthcheck!.test).toEqual(['CMD', 'pg_isready', '-U', POSTGRES_USER])
})

it('the database’s files are in a volume, at the path of version 18 and later', () => {
  const [volume, folder] = database.volumes![0]!.split(':')

  expect(Object.keys(volumes)).toEqual([volume])
  // https://hub.docker.com/_/postgres: before version 18 it was /var/lib/postgresql/data.
  expect(Number(/^postgres:(\d+)$/.exec(database.image!)?.[1])).toBeGreaterThanOrEqual(18)
  expect(folder).toBe('/var/lib/postgresql')
})

it('the stop time covers the drain and the wait that docs/deploy-node.md promises', () => {
  const [, promised] = /at most `DRAIN_SECONDS` and (\d+) seconds\s+after the signal/.exec(page)!
  const grace = Number(/^(\d+)s$/.exec(countersign.stop_grace_period!)?.[1])
  const unit = Number(/^TimeoutStopSec=(\d+)$/m.exec(read('deploy/countersign.service'))?.[1])
  const run = Number(/--stop-timeout (\d+)/.exec(page)?.[1])
  const least = configInside().drainSeconds + Number(promised)

  expect(grace).toBeGreaterThanOrEqual(least)
  expect(unit).toBeGreaterThanOrEqual(least)
  expect(run).toBeGreaterThanOrEqual(least)
})

it('no file with keys is committed or copied into the image', () => {
  const ignored = read('.gitignore').split('\n')
  expect(ignored).toEqual(expect.arrayContaining(['countersign.env', 'deploy/.env']))
  const [first, ...exceptions] = read('.dockerignore').trim().split('\n')
  expect(first).toBe('*')
  expect(exceptions.filter((line) => /deploy|\.env|\*/.test(line))).toEqual([])
})
