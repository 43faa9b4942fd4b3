// The cluster on disk. It is created in a draft folder and renamed into place, so that an interrupted initdb leaves nothing
// that looks finished. Passwords reach PostgreSQL by file or standard input, never as an argument.
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Launcher } from './launcher.ts'
import { outcome } from './process.ts'
import { explain } from './server.ts'

const DRAFT = 'initdb-'
const TIME_LIMIT_MS = 60_000

/**
 * Creates what is missing: the password in `directory`, the cluster, and the role and database `countersign`. Returns
 * PGDATA and the role's password.
 */
export async function ensureCluster(
  directory: string,
  launcher: Launcher,
  fsync: boolean,
  superuserStatements: readonly string[] = [],
) {
  await removeDrafts(launcher.home)
  const data = join(launcher.home, 'data')
  const known = await readPassword(directory)
  const password = known ?? (await createPassword(directory))

  if ((await stat(data).catch(absent)) === undefined) {
    await createCluster(launcher, data, fsync, [
      `create role countersign login createdb password '${password}'`,
      'create database countersign owner countersign',
      ...superuserStatements,
    ])
  } else {
    await launcher.adopt(data)
    // The password file was removed, so the role gets the new password.
    if (!known) {
      const statement = `alter role countersign password '${password}'`
      await runSql(launcher, data, fsync, [statement])
    }
  }
  return { data, password }
}

async function createCluster(launcher: Launcher, data: string, fsync: boolean, sql: string[]) {
  const draft = await mkdtemp(join(launcher.home, DRAFT))
  try {
    // The superuser's password is not stored anywhere, because nobody connects as the superuser.
    const passwordFile = join(draft, 'password')
    await writeFile(passwordFile, newPassword(), { mode: 0o600 })
    await launcher.adopt(draft)
    const made = join(draft, 'data')
    const args = ['-D', made, '-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`]
    args.push('--locale=C', '-E', 'UTF8', '--no-instructions', ...(fsync ? [] : ['--no-sync']))
    const { status, stderr } = await outcome(launcher.start('initdb', args), TIME_LIMIT_MS)
    if (status !== 0) throw new Error(explain(`initdb failed (${status})`, stderr))
    await runSql(launcher, made, fsync, sql)
    await rename(made, data)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** Runs statements of one line each in single-user mode, which needs neither network nor password. */
async function runSql(launcher: Launcher, data: string, fsync: boolean, statements: string[]) {
  const args = ['--single', '-D', data, '-c', 'exit_on_error=on']
  // Keeps the statements, which hold a password, out of error messages.
  args.push('-c', 'log_min_error_statement=panic', '-c', `fsync=${fsync ? 'on' : 'off'}`)
  const child = launcher.start('postgres', [...args, 'postgres'])
  const { status, stderr } = await outcome(child, TIME_LIMIT_MS, `${statements.join('\n')}\n`)
  if (status !== 0) throw new Error(explain(`preparing the database failed (${status})`, stderr))
}

/** Removes the drafts of killed processes. An initdb that still runs in one fails, which does no harm. */
async function removeDrafts(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    if (name.startsWith(DRAFT)) {
      await rm(join(home, name), { recursive: true, force: true, maxRetries: 5 })
    }
  }
}

const newPassword = () => randomBytes(24).toString('base64url')

async function readPassword(directory: string): Promise<string | undefined> {
  const text = await readFile(join(directory, 'password'), 'utf8').catch(absent)
  // Statements contain the password unescaped, so it must look like a generated one.
  return text && /^[\w-]{32}$/.test(text) ? text : undefined
}

async function createPassword(directory: string): Promise<string> {
  const password = newPassword()
  const path = join(directory, 'password')
  await writeFile(`${path}.draft`, password, { mode: 0o600 })
  await rename(`${path}.draft`, path)
  return password
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
