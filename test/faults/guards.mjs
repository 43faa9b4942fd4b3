// Breaks one guard at a time in a copy of the tree, and runs the narrowest suite that must notice. A guard counts as caught only if
// the named test fails by the expected assertion, because a tree that does not even run proves nothing. Prints a table; exits
// with 1 if a broken guard goes unnoticed. `npm run test:guards [part of a name]`.
import { fork } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GUARDS } from './guard-list.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const COPIED = ['src', 'test', 'migrations', 'package.json', 'tsconfig.json']
const LANES = 2
/** Vitest cannot end a test that never yields. */
const MAX_RUN_MS = 600_000

const wanted = GUARDS.filter(({ name }) => name.includes(process.argv[2] ?? ''))
const folder = mkdtempSync(join(tmpdir(), 'countersign-guards-'))
const children = new Set()

function end(code) {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(code)
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => end(130))

/** A copy of the tree, so that the checkout is never changed, and a process that runs suites in it. */
async function openLane(name) {
  const tree = join(folder, name)
  for (const path of COPIED) cpSync(join(ROOT, path), join(tree, path), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
  const changed = new Set()
  let child

  async function nextMessage() {
    const timer = setTimeout(() => child.kill('SIGKILL'), MAX_RUN_MS)
    try {
      return await new Promise((resolve, reject) => {
        child.once('message', resolve)
        child.once('exit', () => reject(new Error('the suite ended its process, or did not end')))
      })
    } finally {
      clearTimeout(timer)
      child.removeAllListeners()
    }
  }
  async function start() {
    child = fork(join(tree, 'test/faults/guard-lane.mjs'), {
      cwd: tree,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Each lane has a server of its own.
      env: { ...process.env, TEST_DATABASE_URL: '' },
    })
    children.add(child)
    await nextMessage()
  }
  async function run(suite) {
    if (child?.exitCode !== null || child.signalCode !== null) await start()
    child.send({ suite, changed: [...changed] })
    changed.clear()
    try {
      return await nextMessage()
    } catch (error) {
      return { passed: [], failed: [], error: error.message }
    }
  }
  return {
    run,
    async runBroken(guard) {
      const path = join(tree, guard.in)
      const text = readFileSync(path, 'utf8')
      if (text.split(guard.from).length !== 2)
        return { error: `its text is not in ${guard.in} once` }
      changed.add(path)
      writeFileSync(
        path,
        text.replace(guard.from, () => guard.to),
      )
      const result = await run(guard.suite)
      writeFileSync(path, text)
      changed.add(path)
      return result
    },
  }
}

/** The expected assertion of the expected test, or why there is none. */
function judge({ by, got, wanted = /^$/ }, { failed, error }) {
  if (error) return { error }
  if (!failed.length) return { error: 'no test failed' }
  const own = failed.filter(({ name }) => by.test(name))
  if (!own.length) return { error: `only another test failed: ${failed[0].name}` }
  for (const { name, errors } of own) {
    const expected = errors.find(
      (one) => one.isAssertion && got.test(one.got) && wanted.test(one.wanted),
    )
    if (expected) return { test: name, compared: expected }
  }
  return { error: `${own[0].name} failed otherwise: ${own[0].errors[0]?.message.slice(0, 300)}` }
}

const suiteKey = ({ file, tests, flow }) => `${file} ${tests ?? ''} ${flow ?? ''}`

/** All suites of a file in one run, because most of its time goes into loading the file. Flows cannot be combined. */
function groupSuites(suites) {
  const groups = new Map()
  for (const { file, tests = '', flow } of suites) {
    const key = `${file} ${flow ?? ''}`
    const group = groups.get(key) ?? { file, flow, patterns: [] }
    groups.set(key, { ...group, patterns: [...group.patterns, tests] })
  }
  return [...groups.values()].map((group) => ({
    ...group,
    tests: group.patterns.map((text) => `(?:${text})`).join('|'),
  }))
}

const lanes = await Promise.all(
  Array.from({ length: LANES }, (_, lane) => openLane(`lane-${lane}`)),
)

async function each(items, work) {
  const left = [...items.entries()]
  const results = []
  await Promise.all(
    lanes.map(async (lane) => {
      for (let next = left.shift(); next; next = left.shift()) {
        results[next[0]] = await work(lane, next[1])
      }
    }),
  )
  return results
}

let unnoticed = 0
const fail = (line) => {
  unnoticed++
  console.log(line)
}

const suites = [...new Map(wanted.map(({ suite }) => [suiteKey(suite), suite])).values()]
const groups = groupSuites(suites)
console.log(`${suites.length} suites in ${groups.length} runs, nothing broken …`)
const sound = await each(groups, (lane, group) => lane.run(group))
for (const [at, { passed, failed, error }] of sound.entries()) {
  const { file, flow = '', patterns } = groups[at]
  if (error || failed.length) fail(`NOT SOUND  ${file} ${flow}: ${error ?? failed[0].name}`)
  for (const pattern of patterns) {
    if (passed.some((name) => new RegExp(pattern).test(name))) continue
    fail(`NOT SOUND  ${file} ${flow}: no test of "${pattern}" passed`)
  }
}
console.log(`${wanted.length} guards, one broken at a time …\n`)
const results = await each(wanted, (lane, guard) => lane.runBroken(guard))
const width = Math.max(...wanted.map(({ name }) => name.length))
for (const [at, result] of results.entries()) {
  const name = wanted[at].name.padEnd(width)
  const { test, compared, error } = judge(wanted[at], result)
  if (error) fail(`${name}  UNNOTICED: ${error}`)
  else console.log(`${name}  caught by: ${test}: got ${compared.got.slice(0, 80)}`)
}
console.log(`\n${unnoticed ? `${unnoticed} unnoticed or not sound` : 'every guard was missed'}`)
end(unnoticed ? 1 : 0)
