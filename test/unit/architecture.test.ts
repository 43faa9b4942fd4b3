// The direction of imports, and which room may touch what, as docs/architecture.md says. Reads import lines and runs nothing.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const SRC = fileURLToPath(new URL('../../src', import.meta.url))

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({
    name: name.replaceAll('\\', '/'),
    text: readFileSync(join(SRC, name), 'utf8'),
  }))

interface Import {
  from: string
  /** A path within src, or the name of a package or a node: module. */
  target: string
  typeOnly: boolean
}

const IMPORT =
  /^(?:import|export)\s+(type\s)?[^'"]*?from '([^']+)'|^import '([^']+)'|import\('([^']+)'\)/gms

const imports: Import[] = files.flatMap(({ name, text }) =>
  [...text.matchAll(IMPORT)].map(([, type, from, bare, dynamic]) => {
    const specifier = from ?? bare ?? dynamic ?? ''
    const target = specifier.startsWith('.')
      ? relative(SRC, resolve(SRC, dirname(name), specifier))
      : specifier
    return { from: name, target, typeOnly: type !== undefined }
  }),
)

const room = (path: string): string =>
  path.includes('/') ? path.split('/')[0]! : path.replace(/\.ts$/, '')
const within = (target: string) => files.some(({ name }) => name === target)

/** The rooms of src that each room may import from, besides itself. Rooms that are not listed are at the rim. */
const MAY_IMPORT: Record<string, string[]> = {
  bytes: [],
  // Shared by every outgoing call. It knows nothing about the service.
  net: ['bytes'],
  core: ['bytes'],
  // Rules for a bucket's settings. They are pure functions over core's types, so that tests need no store.
  bucket: ['core', 'bytes'],
  signing: ['bytes'],
  uploads: ['core', 'bytes'],
  auth: ['core', 'bytes', 'net'],
  storage: ['core', 'bytes', 'net', 'signing'],
  delivery: ['core', 'bytes', 'net'],
  db: ['core'],
  contract: ['core', 'bytes'],
  // A dialect writes its own settings down; of storage the configuration takes these, and nothing that opens a store.
  config: ['core', 'bytes', 'net', 'storage'],
  log: ['core'],
  schedule: ['core', 'uploads', 'delivery'],
  http: ['core', 'bytes', 'auth', 'uploads', 'delivery', 'contract'],
  // Separate programs that run beside the service: a store and a database.
  embedded: ['core', 'bytes', 'net', 'signing', 'storage'],
  // The engine runs in browsers. It imports only types and the CRC64 from the server.
  client: ['bytes', 'contract'],
  ui: ['client'],
  // `countersign bucket` works directly on the store, with the service's configuration and keys, instead of the API.
  // `serve` is the service, and `migrate` prepares the database of a service that runs on Workers.
  cli: ['client', 'core', 'bytes', 'bucket', 'storage', 'config', 'node', 'db'],
}

/** Files that import a Node module which workerd has as well. */
const SHARED_DOORS = [
  // node:crypto, for MD5.
  /^storage\/oss\/md5\.ts$/,
  // node:crypto, for the hashes of a batch of signatures.
  /^bytes\/sha256-native\.ts$/,
  // node:net, for the socket of the database client.
  /^worker\/work\.ts$/,
]

/** Portable files import no Node module; these do. */
const NODE_DOORS = [
  ...SHARED_DOORS,
  /^node\.ts$/,
  /^node\//,
  /^cli\//,
  /^embedded\//,
  /^net\/node-fetch\.ts$/,
  /^db\/migrate\.ts$/,
]
const CLOCKS = [
  /^services\.ts$/,
  /^node\.ts$/,
  /^node\//,
  /^worker\//,
  /^client\//,
  /^cli\//,
  /^ui\//,
]

const matches = (patterns: RegExp[], name: string) => patterns.some((pattern) => pattern.test(name))

describe('imports', () => {
  it.each(Object.entries(MAY_IMPORT))('%s takes only from %j', (from, allowed) => {
    const strays = imports
      .filter((line) => room(line.from) === from && within(line.target))
      .filter(({ target }) => room(target) !== from && !allowed.includes(room(target)))
    expect(strays).toEqual([])
  })

  it('never form a circle', () => {
    const targets = new Map(files.map(({ name }) => [name, [] as string[]]))
    for (const { from, target } of imports) if (within(target)) targets.get(from)!.push(target)
    const settled = new Set<string>()
    /** The path from a file back to itself, if it has one. */
    const circleFrom = (name: string, path: string[]): string[] | undefined => {
      if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
      if (settled.has(name)) return undefined
      for (const target of targets.get(name)!) {
        const circle = circleFrom(target, [...path, name])
        if (circle) return circle
      }
      settled.add(name)
      return undefined
    }
    expect(files.map(({ name }) => circleFrom(name, [])).filter((circle) => circle)).toEqual([])
  })

  it('of core reach no package but jose', () => {
    const packages = imports.filter(({ from, target }) => room(from) === 'core' && !within(target))
    expect(packages.filter(({ target }) => target !== 'jose')).toEqual([])
  })

  it('of the client are types, except the checksum', () => {
    const values = imports.filter(
      ({ from, target, typeOnly }) =>
        from.startsWith('client/') && !typeOnly && !target.startsWith('client/'),
    )
    expect(values.map(({ target }) => target)).toEqual(['bytes/crc64.ts'])
  })

  it('of the configuration take settings of stores, and no store', () => {
    const reached = new Set(['config.ts'])
    for (const name of reached) {
      for (const { from, target } of imports)
        if (from === name && within(target)) reached.add(target)
    }
    const strays = [...reached].filter(
      (name) =>
        room(name) === 'storage' && !/\/(settings|endpoint|address|products)\.ts$/.test(name),
    )
    expect(strays).toEqual([])
  })

  it('of what stores share name no family of stores', () => {
    const strays = imports.filter(
      ({ from, target }) => from.startsWith('storage/rest/') && /^storage\/(?!rest\/)/.test(target),
    )
    expect(strays).toEqual([])
  })

  it('name Node only in the files that may', () => {
    const strays = imports.filter(
      ({ from, target }) => target.startsWith('node:') && !matches(NODE_DOORS, from),
    )
    expect(strays).toEqual([])
  })

  it('of http leave authentication and reading to route.ts, and declare every route there', () => {
    const http = files.filter(({ name }) => room(name) === 'http' && name !== 'http/route.ts')
    const readers = imports.filter(
      ({ from, target, typeOnly }) =>
        !typeOnly &&
        from !== 'http/route.ts' &&
        ['http/authenticate.ts', 'http/body.ts', 'auth/index.ts'].includes(target),
    )
    expect(readers.map(({ from, target }) => `${from} ${target}`).sort()).toEqual([
      'http/authenticate.ts auth/index.ts',
      // The bytes that the store signed.
      'http/callbacks.ts http/body.ts',
    ])
    const beside = http.filter(({ text }) =>
      /\bapi\.(on|all|get|post|put|patch|delete)\(/.test(text),
    )
    expect(beside.map(({ name }) => name)).toEqual([])
    const guards = http.filter(({ text }) =>
      /\b(checkUse|openToken|equalInConstantTime)\(/.test(text),
    )
    expect(guards.map(({ name }) => name)).toEqual(['http/authenticate.ts'])
  })

  it('of the Worker reach nothing that needs Node', () => {
    const reached = new Set(['worker.ts'])
    for (const name of reached) {
      for (const { from, target } of imports)
        if (from === name && within(target)) reached.add(target)
    }
    const needsNode = [...reached].filter(
      (name) => matches(NODE_DOORS, name) && !matches(SHARED_DOORS, name),
    )
    expect(needsNode).toEqual([])
  })
})

describe('the world', () => {
  const users = (pattern: RegExp) =>
    files.filter(({ text }) => pattern.test(text)).map(({ name }) => name)

  it('is read from the environment in two files, and handed on to the database’s programs', () => {
    const others = users(/process\.env/).filter((name) => !name.startsWith('embedded/postgres/'))
    expect(others.sort()).toEqual(['cli/main.ts', 'node.ts'])
  })

  it('reads the clock in few places', () => {
    expect(users(/new Date\(\)|Date\.now\(\)/).filter((name) => !matches(CLOCKS, name))).toEqual([])
  })
})

describe('one family of stores', () => {
  // CORS rules and RAM policies are for OSS so far; the embedded store speaks it. A source of notifications is one product's.
  const OWN = /^(storage\/(oss|aliyun|s3|notifications)|signing|embedded|bucket)\//
  const others = files.filter(({ name }) => !OWN.test(name))

  it('spells its headers in its own rooms', () => {
    const strays = others.filter(({ text }) => /x-(oss|acs|amz)-/.test(text))
    expect(strays.map(({ name }) => name)).toEqual([])
  })

  it('names its error codes there, too', () => {
    const CODES =
      /FileAlreadyExists|PreconditionFailed|NoSuch(Key|Upload|Bucket)|InvalidPart|FilePartNotExist|EntityTooSmall|InvalidDigest|RequestTimeout|IncompleteBody|Throttling/
    const strays = others.filter(({ text }) => CODES.test(text))
    expect(strays.map(({ name }) => name)).toEqual([])
  })

  it('is opened and configured by its row, and named by no other code', () => {
    const strays = imports.filter(
      ({ from, target }) =>
        /^storage\/(oss|aliyun|s3)\//.test(target) &&
        !OWN.test(from) &&
        !/^storage\/(settings|open)\.ts$/.test(from) &&
        target !== 'storage/oss/rsa-native.ts',
    )
    expect(strays).toEqual([])
  })
})

describe('every file', () => {
  it('opens with a line that says what it is for', () => {
    const silent = files.filter(({ text }) => !/^(\/\/|\/\*|#!)/.test(text))
    expect(silent.map(({ name }) => name)).toEqual([])
  })

  it('stays below 300 lines', () => {
    const long = files.filter(({ text }) => text.split('\n').length > 301)
    expect(long.map(({ name }) => name)).toEqual([])
  })
})
