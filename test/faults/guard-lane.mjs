// Runs suites for guards.mjs, one at a time, in a copy of the tree that is the working directory. All runs of a lane share
// Vitest, its transformed modules and one PostgreSQL; each has processes of its own, and each test file its own database.
import { resolve } from 'node:path'
import { createVitest } from 'vitest/node'

const vitest = await createVitest('test', {
  config: false,
  watch: false,
  root: process.cwd(),
  env: {},
  include: ['test/**/*.test.ts'],
  globalSetup: ['test/support/postgres.ts'],
  testTimeout: 300_000,
  hookTimeout: 120_000,
  maxWorkers: 1,
  reporters: [{}],
})
await vitest.standalone()

/** The tests that passed, and those that failed with their errors. Faults outside tests count as failures of the file. */
async function run({ file, tests, flow }) {
  vitest.config.env.FAULTS_FLOWS = flow ?? ''
  vitest.setGlobalTestNamePattern(new RegExp(tests ?? ''))
  const specifications = await vitest.globTestSpecifications([resolve(file)])
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications)
  const passed = []
  const failed = unhandledErrors.map((error) => failure(file, [error]))
  // Modules of earlier runs are reported again.
  for (const module of testModules.filter(({ moduleId }) => moduleId === resolve(file))) {
    if (module.errors().length) failed.push(failure(file, module.errors()))
    for (const test of module.children.allTests()) {
      const { state, errors } = test.result()
      const name = test.fullName.replaceAll(' > ', ' ')
      if (state === 'passed') passed.push(name)
      if (state === 'failed') failed.push(failure(name, errors))
    }
  }
  return { passed, failed }
}

const onOneLine = (value) => (value === undefined ? '' : String(value).replaceAll(/\s+/g, ' '))

const failure = (name, errors) => ({
  name,
  errors: errors.map(({ name: kind, message, actual, expected }) => ({
    isAssertion: kind === 'AssertionError',
    message: onOneLine(message),
    got: onOneLine(actual),
    wanted: onOneLine(expected),
  })),
})

process.on('message', async ({ suite, changed }) => {
  for (const path of changed) vitest.invalidateFile(path)
  process.send(await run(suite))
})
process.on('disconnect', () => process.exit())
process.send('ready')
