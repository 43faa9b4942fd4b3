// Runs PostgreSQL's programs as a user other than root, because PostgreSQL refuses root: as the current user, as root in a
// user namespace that maps root to nobody, or as nobody with the files in a folder that nobody can reach.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, cp, lchown, lstat, mkdir, mkdtemp, readdir, rename, stat } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import type { Log } from '../../core/ports/log.ts'
import { outcome } from './process.ts'
import type { Programs } from './programs.ts'

const NOBODY = 65534
const UNSHARE = ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--']

export type RootMethod = 'unshare' | 'setuid'

export interface Launcher {
  /** The folder that holds the cluster. */
  home: string
  start(program: 'initdb' | 'postgres', args: string[], options?: SpawnOptions): ChildProcess
  /** Makes the user that PostgreSQL runs as own the file or folder with its content. */
  adopt(path: string): Promise<void>
}

/** Picks the method that works here. `directory` must exist and belong to the current user; `rootMethod` is for tests. */
export async function chooseLauncher(
  directory: string,
  programs: Programs,
  log: Log,
  rootMethod?: RootMethod,
): Promise<Launcher> {
  const self = process.getuid?.()
  if (self !== 0) return launcher(directory, programs, self)
  if (rootMethod !== 'setuid' && (await works(UNSHARE, {}, directory, programs.postgres))) {
    return launcher(directory, programs, 0, { prefix: UNSHARE })
  }
  if (rootMethod === 'unshare') throw new Error('unshare --user does not work here')
  return setuidLauncher(directory, programs, log)
}

function launcher(
  home: string,
  programs: Programs,
  owner: number | undefined,
  { prefix = [] as string[], identity = {} } = {},
): Launcher {
  // The other user may not be able to enter the current folder, and our environment may hold PGDATA or secrets.
  const spawnOptions = { ...identity, cwd: dirname(programs.postgres), env: environment() }
  return {
    home,
    start(program, args, options) {
      const [command = '', ...rest] = [...prefix, programs[program], ...args]
      return spawn(command, rest, { ...spawnOptions, ...options })
    },
    async adopt(path) {
      if (owner === undefined || process.getuid?.() !== 0) return
      if ((await lstat(path)).uid !== owner) await chownAll(path, owner)
    },
  }
}

async function setuidLauncher(directory: string, programs: Programs, log: Log): Promise<Launcher> {
  const identity = { uid: NOBODY, gid: NOBODY }
  await openFolder(directory)
  if (dirname(directory) !== homedir()) await openFolder(dirname(directory))

  const hereWorks = await works([], identity, directory)
  const programsWork = await works([], identity, '/', programs.postgres)
  const refuge = hereWorks && programsWork ? directory : await makeRefuge(directory)
  const reachable = programsWork ? programs : await copyPrograms(programs, refuge)
  const home = hereWorks ? directory : refuge
  if (!(await works([], identity, home, reachable.postgres))) {
    throw new Error(
      `PostgreSQL refuses to run as root, and uid ${NOBODY} cannot reach ${home} either: ` +
        'start as another user, or set DATABASE_URL',
    )
  }

  if (hereWorks) log('info', `the embedded PostgreSQL runs as uid ${NOBODY}`, { home })
  else {
    log(
      'warn',
      `the embedded PostgreSQL must run as uid ${NOBODY}, which cannot reach ${directory}: the database is in ${home} ` +
        'instead, which the system may clear. Set DATA_DIR to a folder that other users can reach.',
      { home },
    )
  }
  return launcher(home, reachable, NOBODY, { identity })
}

/** Tries to run the program in the folder as that user, because mode bits do not tell everything. */
async function works(prefix: string[], identity: object, directory: string, program = 'true') {
  const script = 'cd "$0" && exec "$1" --version'
  const [command = '', ...args] = [...prefix, '/bin/sh', '-c', script, directory, program]
  const child = spawn(command, args, { ...identity, cwd: '/', env: environment() })
  return (await outcome(child, 10_000)).status === 0
}

/** Creates a folder in the temporary directory, one per `directory`. Anybody can write there, so only root may own it. */
async function makeRefuge(directory: string): Promise<string> {
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 16)
  const refuge = join(tmpdir(), `countersign-${name}`)
  await mkdir(refuge, { mode: 0o711 }).catch((error) => {
    if (error.code !== 'EEXIST') throw error
  })
  const found = await lstat(refuge)
  if (!found.isDirectory() || found.uid !== 0 || (found.mode & 0o022) !== 0) {
    throw new Error(
      `${refuge} must be a folder that only root can write: remove it and start again`,
    )
  }
  await chmod(refuge, 0o711)
  return refuge
}

/** Copies the programs and their libraries, once per version, and renames the finished copy into place. */
async function copyPrograms(programs: Programs, refuge: string): Promise<Programs> {
  const from = dirname(dirname(programs.postgres))
  const { size, mtimeMs } = await stat(programs.postgres)
  const to = join(refuge, `native-${size}-${Math.round(mtimeMs)}`)
  if (!(await lstat(to).catch(() => undefined))) {
    const draft = await mkdtemp(join(refuge, 'native-draft-'))
    await cp(from, draft, { recursive: true, verbatimSymlinks: true })
    await openAll(draft)
    await rename(draft, to)
  }
  const moved = (path: string) => join(to, relative(from, path))
  return {
    initdb: moved(programs.initdb),
    postgres: moved(programs.postgres),
    pg_ctl: moved(programs.pg_ctl),
  }
}

async function openFolder(path: string): Promise<void> {
  const mode = (await stat(path)).mode & 0o7777
  if ((mode & 0o011) !== 0o011) await chmod(path, mode | 0o011)
}

async function openAll(path: string): Promise<void> {
  const found = await lstat(path)
  if (!found.isSymbolicLink()) await chmod(path, 0o755)
  if (found.isDirectory()) for (const name of await readdir(path)) await openAll(join(path, name))
}

async function chownAll(path: string, owner: number): Promise<void> {
  if ((await lstat(path)).isDirectory()) {
    for (const name of await readdir(path)) await chownAll(join(path, name), owner)
  }
  // The folder comes last, so that its owner shows whether everything in it is done.
  await lchown(path, owner, owner)
}

function environment(): NodeJS.ProcessEnv {
  const { PATH, SystemRoot, TMPDIR, TEMP } = process.env
  return { PATH, SystemRoot, TMPDIR, TEMP, LC_ALL: 'C', TZ: 'UTC' }
}
