// Builds dist/ if it is missing or out of date. A stamp records hashes of the sources and of every file written, so that a start
// with nothing to build compiles nothing.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const STAMP = '.build/stamp.json'
const LOCK = '.build/lock'
const MEMORY = '.build/dist.tsbuildinfo'
/** No build takes this long. The lock is stale then, and its process id belongs to another process. */
const LOCK_MS = 10 * 60_000
const WAIT_MS = 100

const SETTINGS = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/build.mjs',
  'scripts/build-ui.mjs',
]

const hashOf = (path) => createHash('sha256').update(readFileSync(path)).digest('base64url')

function sources() {
  return readdirSync('src', { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, path, name }) => join(parentPath ?? path, name))
    .sort()
}

function inputsHash() {
  const hash = createHash('sha256')
  for (const path of [...SETTINGS.filter(existsSync), ...sources()]) {
    hash.update(`${path}\n${hashOf(path)}\n`)
  }
  return hash.digest('base64url')
}

/** The files that a build writes. dist/ may hold others, such as the bundle for Workers. */
function outputs() {
  const compiled = sources()
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) =>
      ['.js', '.d.ts'].map((end) => path.replace(/^src/, 'dist').replace(/\.ts$/, end)),
    )
  const page = ['page.js', 'index.html', 'page.css', '_headers']
  return [...compiled, ...page.map((name) => join('dist', 'public', name))]
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(STAMP, 'utf8'))
  } catch {
    return undefined // Missing or broken: the build writes it.
  }
}

const isWhole = (stamp) =>
  stamp !== undefined &&
  Object.entries(stamp.outputs).every(([path, hash]) => existsSync(path) && hashOf(path) === hash)

const isCurrent = () => {
  const stamp = readStamp()
  return isWhole(stamp) && stamp.inputs === inputsHash()
}

function isHeld() {
  try {
    process.kill(Number(readFileSync(LOCK, 'utf8')), 0)
    return Date.now() - statSync(LOCK).mtimeMs < LOCK_MS
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Makes builds take turns. If two ever pass, they write the same files. */
async function lock() {
  const own = `${LOCK}.${process.pid}`
  mkdirSync('.build', { recursive: true })
  writeFileSync(own, String(process.pid))
  try {
    for (;;) {
      try {
        linkSync(own, LOCK)
        return
      } catch (error) {
        if (error.code !== 'EEXIST') throw error
        if (isHeld()) await delay(WAIT_MS)
        else rmSync(LOCK, { force: true })
      }
    }
  } finally {
    rmSync(own)
  }
}

async function compile() {
  const { resolve } = createRequire(import.meta.url)
  const tsc = join(dirname(resolve('typescript/package.json')), 'bin/tsc')
  const options = ['-p', 'tsconfig.build.json', '--incremental', '--tsBuildInfoFile', MEMORY]
  const child = spawn(process.execPath, [tsc, ...options], { stdio: 'inherit' })
  const code = await new Promise((done) => child.once('close', done))
  if (code !== 0) process.exitCode = 1
  return code === 0
}

async function build() {
  const before = readStamp()
  const inputs = inputsHash()
  // The compiler writes only what has changed since its last run, so it must forget files that are gone.
  if (!isWhole(before)) rmSync(MEMORY, { force: true })
  rmSync(STAMP, { force: true })
  if (!(await compile())) return
  await import('./build-ui.mjs')
  const written = outputs()
  for (const path of Object.keys(before?.outputs ?? {})) {
    if (!written.includes(path)) rmSync(path, { force: true })
  }
  const stamp = { inputs, outputs: Object.fromEntries(written.map((path) => [path, hashOf(path)])) }
  writeFileSync(`${STAMP}.new`, JSON.stringify(stamp))
  renameSync(`${STAMP}.new`, STAMP)
}

if (!isCurrent()) {
  await lock()
  try {
    if (!isCurrent()) await build()
  } finally {
    rmSync(LOCK, { force: true })
  }
}
