// The command line: finds the service and the credential, and runs the command.
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { defineCommand, type ParsedArgs, runMain } from 'citty'
import { ApiProblem, api } from '../client/api.ts'
import { bucketCommand } from './bucket.ts'
import { findUnknownFlag } from './flags.ts'
import { readJson } from './json-file.ts'
import { keysCommand, migrateCommand, serveCommand } from './service.ts'
import { type Unfinished, unfinishedUploads } from './unfinished.ts'
import { type UploadContext, uploadFile } from './upload.ts'

const USAGE = 2
const say = (line: string) => void process.stderr.write(`${line}\n`)
const out = (line: string) => void process.stdout.write(`${line}\n`)

const connection = {
  url: { type: 'string', description: 'URL of the service (or set COUNTERSIGN_URL)' },
  key: { type: 'string', description: 'Api key (or set COUNTERSIGN_KEY)' },
  grant: { type: 'string', description: 'Grant or user JWT (or set COUNTERSIGN_GRANT)' },
} as const

const sending = {
  ...connection,
  subject: { type: 'string', description: 'With --key: the user to upload for', default: 'cli' },
  parallel: { type: 'string', description: 'Parts to send at the same time', default: '4' },
  json: { type: 'boolean', description: 'Print the result as JSON', default: false },
} as const

/** Takes the flags first, then the environment, then the embedded service of this folder. */
async function connect(args: ParsedArgs<typeof connection>) {
  const { env } = process
  const path = resolve(env.DATA_DIR || '.countersign', 'cli.json')
  const file = await readJson<{ url: string; apiKey: string }>(path)
  const url = args.url ?? env.COUNTERSIGN_URL ?? file.url
  const grant = args.grant ?? env.COUNTERSIGN_GRANT
  const key = args.key ?? env.COUNTERSIGN_KEY ?? (url === file.url ? file.apiKey : undefined)
  const credential = grant ?? key
  if (!url || !credential) {
    say(
      url
        ? 'No credential. Pass --key or --grant, or set COUNTERSIGN_KEY or COUNTERSIGN_GRANT.'
        : `No service: ${path} does not exist. Run "npm start" here first, or pass --url and --key.`,
    )
    process.exit(USAGE)
  }
  return { url: url.replace(/\/+$/, ''), credential, namesSubject: grant === undefined }
}

const unfinished = () =>
  unfinishedUploads(
    join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'countersign'),
  )

/** The first Ctrl-C stops the uploads so that they can be resumed, the second one exits at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController()
  process.on('SIGINT', () => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort(new Error('stopped'))
  })
  return controller.signal
}

function wholeNumber(name: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= max) return number
  say(`--${name} must be a whole number from 1 to ${max}.`)
  process.exit(USAGE)
}

/** Uploads one file after the other. Exits with the highest exit code. */
async function uploadAll(
  args: ParsedArgs<typeof sending>,
  toEntries: (url: string) => Unfinished[],
): Promise<void> {
  const { url, ...connected } = await connect(args)
  const context: UploadContext = {
    ...connected,
    unfinished: unfinished(),
    parallel: wholeNumber('parallel', args.parallel, 64)!,
    json: args.json,
    out,
    progress: process.stderr,
    now: () => performance.now(),
    signal: stopSignal(),
  }
  for (const entry of toEntries(url)) {
    const code = await uploadFile(context, entry)
    process.exitCode = Math.max(Number(process.exitCode ?? 0), code)
    if (context.signal.aborted) return
  }
}

const uploadCommand = defineCommand({
  meta: {
    name: 'upload',
    description: 'Upload files; resumes an unfinished upload of the same file',
  },
  args: {
    file: { type: 'positional', description: 'The file, or several', required: true },
    ...sending,
    policy: { type: 'string', description: 'Policy of the app' },
    'content-type': { type: 'string', description: 'Content type of the object' },
    'part-size': { type: 'string', description: 'Size of a part in bytes' },
  },
  async run({ args }) {
    const { subject, policy, 'content-type': contentType } = args
    await uploadAll(args, (url) => {
      const partSizeBytes = wholeNumber('part-size', args['part-size'], Number.MAX_SAFE_INTEGER)
      const options = { url, subject, policy, contentType, partSizeBytes }
      return args._.map((file) => ({ ...options, file: resolve(String(file)) }))
    })
  },
})

const resumeCommand = defineCommand({
  meta: { name: 'resume', description: 'Resume interrupted uploads of this machine' },
  args: {
    file: { type: 'positional', description: 'Resume only this file', required: false },
    ...sending,
    list: { type: 'boolean', description: 'List them without resuming', default: false },
  },
  async run({ args }) {
    const all = await unfinished().list()
    const path = args.file ? resolve(String(args.file)) : undefined
    const entries = all.filter(({ file }) => path === undefined || file === path)
    if (!entries.length) return say('There is no interrupted upload to resume.')
    if (args.list) {
      for (const { file, uploadId, url } of entries) out(`${file}  ${uploadId ?? ''}  ${url}`)
      return
    }
    await uploadAll(args, (url) => entries.map((entry) => ({ ...entry, url })))
  },
})

function sessionCommand(name: 'status' | 'abort', description: string, method: 'GET' | 'DELETE') {
  return defineCommand({
    meta: { name, description },
    args: { id: { type: 'positional', description: 'upl_…', required: true }, ...connection },
    async run({ args }) {
      const { url, credential } = await connect(args)
      try {
        const { body } = await api({ url })<Record<string, unknown>>(
          method,
          `/v1/uploads/${encodeURIComponent(args.id)}`,
          credential,
        )
        const { uploadToken: _, completionToken: __, ...shown } = body
        out(JSON.stringify(shown, null, 2))
      } catch (error) {
        say(
          error instanceof ApiProblem
            ? `${error.code}: ${error.message}`
            : `${url} does not answer. Is it running?`,
        )
        process.exitCode = 1
      }
    },
  })
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

const main = defineCommand({
  meta: {
    name: 'countersign',
    description: 'Upload files straight to object storage',
    version: packageVersion(),
  },
  subCommands: {
    upload: uploadCommand,
    resume: resumeCommand,
    status: sessionCommand('status', 'Show which parts of an upload are stored and missing', 'GET'),
    serve: serveCommand,
    migrate: migrateCommand({ environment: process.env, say }),
    keys: keysCommand({ environment: process.env, say }),
    bucket: bucketCommand({ environment: process.env, out: process.stdout, say }),
    abort: sessionCommand('abort', 'Abort an upload and release its storage and quota', 'DELETE'),
  },
})

const unknownFlag = await findUnknownFlag(main, process.argv.slice(2))
if (unknownFlag) {
  say(unknownFlag)
  process.exitCode = USAGE
} else {
  await runMain(main)
}
