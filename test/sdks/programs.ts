// Official clients as programs: each reads one JSON job and prints one JSON answer. `install.sh` puts them into .sdks/.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export const SDKS = join(import.meta.dirname, '../../.sdks')

export type Job = { action: string } & Record<string, unknown>
export type Answer = Record<string, any> & {
  error?: { code: string; message: string }
}
export type Driver = (job: Job) => Promise<Answer>

/** Runs a program to its end. */
export async function run(
  command: string,
  options: { input?: string; cwd?: string; env?: Record<string, string> } = {},
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { input = '', cwd, env } = options
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env } })
  const exit = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  return { code, stdout, stderr }
}

const driver =
  (command: string, ...args: string[]): Driver =>
  async (job) => {
    const { code, stdout, stderr } = await run(command, { input: JSON.stringify(job) }, ...args)
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${stderr}`)
    return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Answer
  }

const java = (...classPath: string[]) =>
  driver(
    'java',
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    '-cp',
    classPath.join(':'),
    'Driver',
  )
const python = (file: string) =>
  driver(join(SDKS, 'python/bin/python'), join(import.meta.dirname, 'python', file))

/** Every client that keeps the promises of clients.test.ts: a new one joins by a line. */
export const CLIENTS: Record<string, Driver> = {
  'ali-oss for Node': driver(process.execPath, join(import.meta.dirname, 'node/ali-oss.mjs')),
  'oss2 for Python': python('oss2_driver.py'),
  'alibabacloud-oss-v2 for Python': python('oss_v2_driver.py'),
  'aliyun-oss-go-sdk': driver(join(SDKS, 'bin/go-driver')),
  'alibabacloud-oss-go-sdk-v2': driver(join(SDKS, 'bin/go-v2-driver')),
  'aliyun-sdk-oss for Java': java(join(SDKS, 'java/oss-java-driver.jar'), join(SDKS, 'java/lib/*')),
  'alibabacloud-oss-v2 for Java': java(
    join(SDKS, 'java-v2/oss-java-v2-driver.jar'),
    join(SDKS, 'java-v2/lib/*'),
  ),
}

export const ANDROID = java(join(SDKS, 'android'), join(SDKS, 'android/*'))
