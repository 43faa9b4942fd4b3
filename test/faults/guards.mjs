// Breaks one guard at a time in a copy of the tree, and runs the narrowest suite that must notice. The named test must fail by an
// assertion that says what is wrong, because a tree that does not run proves nothing. Prints a table, and exits with 1 if a broken
// guard goes unnoticed. `npm run test:guards [part of a name]`.
import { spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GUARDS } from './guard-list.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const COPIED = ['src', 'test', 'migrations', 'package.json', 'tsconfig.json']
const CONFIGS = ['vitest.config.ts', 'vitest.faults.config.ts']
const AT_ONCE = 2

const wanted = GUARDS.filter(({ name }) => name.includes(process.argv[2] ?? ''))
const folder = mkdtempSync(join(tmpdir(), 'countersign-guards-'))
const children = new Set()

async function end(code) {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(code)
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => end(130))

/** Copies the tree for each worker, so that the checkout stays untouched. */
function copyTree(name) {
  const tree = join(folder, name)
  for (const path of [...COPIED, ...CONFIGS]) {
    cpSync(join(ROOT, path), join(tree, path), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
  return tree
}

/** A suite's result: how many tests passed, and each failed test with the first line of its message. */
async function run(tree, { file, tests, flow }) {
  const report = join(tree, 'report.json')
  rmSync(report, { force: true })
  const config = file.startsWith('test/faults/') ? CONFIGS[1] : CONFIGS[0]
  const child = spawn(
    process.execPath,
    [
      join(ROOT, 'node_modules/vitest/vitest.mjs'),
      ...['run', '--config', config, '--reporter', 'json', '--outputFile', report],
      ...['--testTimeout', '180000', ...(tests ? ['-t', tests] : []), file],
    ],
    {
      cwd: tree,
      stdio: 'ignore',
      // Each run starts its own server.
      env: { ...process.env, TEST_DATABASE_URL: '', FAULTS_FLOWS: flow ?? '' },
    },
  )
  children.add(child)
  await new Promise((resolve) => child.once('close', resolve))
  children.delete(child)
  if (!existsSync(report)) return { passed: 0, failed: [], error: 'the suite did not run' }
  const { testResults, numPassedTests } = JSON.parse(readFileSync(report, 'utf8'))
  const results = testResults.flatMap(({ assertionResults }) => assertionResults)
  const failed = results
    .filter(({ status }) => status === 'failed')
    .map(({ fullName, failureMessages: [message = ''] }) => ({ name: fullName.trim(), message }))
  return { passed: numPassedTests, failed }
}

/** The expected test's failure by the expected assertion, or the reason why there is none. */
function caught({ by, says }, { failed, error }) {
  if (error) return { error }
  if (!failed.length) return { error: 'no test failed' }
  const right = failed.filter(({ name }) => by.test(name))
  if (!right.length) return { error: `only another test failed: ${failed[0].name}` }
  const told = right
    .filter(({ message }) => message.startsWith('AssertionError'))
    .find(({ message }) => says.test(message))
  if (told) return { test: told.name, said: says.exec(told.message)[0] }
  return { error: `${right[0].name} failed otherwise: ${right[0].message.split('\n')[0]}` }
}

const suiteKey = ({ file, tests, flow }) => `${file} ${tests ?? ''} ${flow ?? ''}`

async function each(items, work) {
  const left = [...items.entries()]
  const results = []
  const lanes = Array.from({ length: AT_ONCE }, async (_, lane) => {
    const tree = copyTree(`lane-${lane}`)
    for (let next = left.shift(); next; next = left.shift()) {
      results[next[0]] = await work(tree, next[1])
    }
    rmSync(tree, { recursive: true, force: true })
  })
  await Promise.all(lanes)
  return results
}

async function breakOne(tree, guard) {
  const path = join(tree, guard.in)
  const text = readFileSync(path, 'utf8')
  if (text.split(guard.from).length !== 2) return { error: `its text is not in ${guard.in} once` }
  writeFileSync(
    path,
    text.replace(guard.from, () => guard.to),
  )
  try {
    return await run(tree, guard.suite)
  } finally {
    writeFileSync(path, text)
  }
}

const suites = [...new Map(wanted.map(({ suite }) => [suiteKey(suite), suite])).values()]
console.log(`${suites.length} suites, nothing broken …`)
const sound = await each(suites, run)
let unnoticed = 0
for (const [at, { passed, failed }] of sound.entries()) {
  if (passed > 0 && !failed.length) continue
  unnoticed++
  console.log(`NOT SOUND  ${suiteKey(suites[at])}: ${failed[0]?.name ?? 'no test ran'}`)
}
console.log(`${wanted.length} guards, one broken at a time …\n`)
const verdicts = await each(wanted, breakOne)
const width = Math.max(...wanted.map(({ name }) => name.length))
for (const [at, seen] of verdicts.entries()) {
  const { test, said, error } = caught(wanted[at], seen)
  if (error) unnoticed++
  const verdict = error ? `UNNOTICED: ${error}` : `caught by: ${test}: ${said}`
  console.log(`${wanted[at].name.padEnd(width)}  ${verdict}`)
}
console.log(`\n${unnoticed ? `${unnoticed} unnoticed or not sound` : 'every guard was missed'}`)
await end(unnoticed ? 1 : 0)
