// What a machine has on which the service is set up by hand: a copy of the sources, a user without rights, a store.
import { spawn, spawnSync } from 'node:child_process'
import { chown, cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Made by a build or a run: not part of the sources. */
const MADE = new Set(['node_modules', 'dist', '.git', '.countersign', '.wrangler', '.sdks'])
const isRoot = process.getuid?.() === 0
/** Debian's user that owns nothing. A test run without root is such a user already. */
const NOBODY = 65534

export interface Place {
  path: string
  /** Runs a script in bash as a user without rights and answers how it ended and what it printed. */
  run(
    script: string,
    environment: Record<string, string>,
    cwd?: string,
  ): Promise<{ code: number | null; output: string }>
  give(path: string): Promise<void>
  remove(): Promise<void>
}

/** An empty folder of that user. */
export async function place(): Promise<Place> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-deploy-'))
  /** Everything below belongs to the user from now on. */
  async function give(folder: string) {
    if (!isRoot) return
    await chown(folder, NOBODY, NOBODY)
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const name = join(folder, entry.name)
      if (entry.isDirectory()) await give(name)
      else await chown(name, NOBODY, NOBODY)
    }
  }
  await give(path)
  return {
    path,
    give,
    run: (script, environment, cwd = path) =>
      new Promise((resolve) => {
        const child = spawn('bash', ['--norc', '-euo', 'pipefail', '-c', script], {
          cwd,
          ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
          stdio: ['ignore', 'pipe', 'pipe'],
          env: { PATH: process.env.PATH, HOME: path, ...certificates(), ...environment },
        })
        let output = ''
        child.stdout.on('data', (chunk) => {
          output += chunk
        })
        child.stderr.on('data', (chunk) => {
          output += chunk
        })
        child.once('close', (code) => resolve({ code, output }))
      }),
    remove: () => rm(path, { recursive: true, force: true }),
  }
}

/** A proxy's certificate and the registry, where this machine has its own. */
function certificates(): Record<string, string> {
  const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8', cwd: ROOT })
  const extra = process.env.NODE_EXTRA_CA_CERTS
  return {
    npm_config_registry: registry.stdout.trim(),
    ...(extra ? { NODE_EXTRA_CA_CERTS: extra } : {}),
  }
}

export const copySources = (to: string) =>
  cp(ROOT, to, {
    recursive: true,
    filter: (source) => !MADE.has(relative(ROOT, source).split('/')[0] ?? ''),
  })
