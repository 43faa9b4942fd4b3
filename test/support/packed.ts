// Packs the package as npm would publish it, from a clean copy of the checkout, and installs it in a new project.
import { execFile, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

/** Copies the checkout's files, without anything built, installed or ignored. */
export async function copyOfCheckout(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'countersign-checkout-'))
  const listed = await run('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: ROOT })
  for (const name of listed.stdout.split('\0').filter(Boolean)) {
    await mkdir(dirname(join(copy, name)), { recursive: true })
    // The index may still name a deleted file.
    await cp(join(ROOT, name), join(copy, name)).catch(() => {})
  }
  return copy
}

export interface Packed {
  tarball: string
  files: string[]
  remove(): Promise<void>
}

export async function pack(): Promise<Packed> {
  const copy = await copyOfCheckout()
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  const { stdout } = await run('npm', ['pack', '--json'], { cwd: copy })
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as Array<{
    filename: string
    files: Array<{ path: string }>
  }>
  return {
    tarball: join(copy, packed!.filename),
    files: packed!.files.map(({ path }) => path),
    remove: () => rm(copy, { recursive: true, force: true }),
  }
}

export interface Project {
  directory: string
  /** Runs a command to its end. Never throws. */
  run(
    command: string,
    args: string[],
    environment?: Record<string, string>,
  ): Promise<{ status: number; output: string }>
  remove(): Promise<void>
}

/** Creates an empty project and installs these packages. */
export async function projectWith(packages: string[]): Promise<Project> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-project-'))
  await writeFile(join(directory, 'package.json'), '{ "name": "mine", "private": true }\n')
  const project: Project = {
    directory,
    run: (command, args, environment = {}) =>
      new Promise((resolve) => {
        const child = spawn(command, args, {
          cwd: directory,
          env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        let output = ''
        child.stdout.on('data', (chunk) => {
          output += chunk
        })
        child.stderr.on('data', (chunk) => {
          output += chunk
        })
        child.once('close', (code) => resolve({ status: code ?? 1, output }))
      }),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
  const flags = ['--prefer-offline', '--no-audit', '--no-fund']
  const { status, output } = await project.run('npm', ['install', ...flags, ...packages])
  if (status !== 0) throw new Error(output)
  return project
}

/** Names of all packages installed in a project, including scoped ones. */
export async function installed({ directory }: Project): Promise<string[]> {
  const names = await readdir(join(directory, 'node_modules'))
  const all = await Promise.all(
    names.map(async (name) =>
      name.startsWith('@')
        ? (await readdir(join(directory, 'node_modules', name))).map((inner) => `${name}/${inner}`)
        : [name],
    ),
  )
  return all.flat().filter((name) => !name.startsWith('.'))
}
