// The command line: which service, which credential, which command.
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { defineCommand, runMain } from 'citty'
import { ApiProblem, api } from '../client/api.ts'
import { bucketCommand } from './bucket.ts'
import { flagFault } from './flags.ts'
import { keysCommand, migrateCommand, serveCommand } from './service.ts'
import { unfinishedUploads } from './unfinished.ts'
import { entryFor, type UploadContext, uploadFile } from './upload.ts'

const USAGE = 2
const say = (line: string) => void process.stderr.write(`${line}\n`)
const out = (line: string) => void process.stdout.write(`${line}\n`)

const connection = {
  url: { type: 'string', description: 'The service (or COUNTERSIGN_URL)' },
  key: { type: 'string', description: 'Api key (or COUNTERSIGN_KEY)' },
  grant: { type: 'string', description: 'Grant or user JWT (or COUNTERSIGN_GRANT)' },
} as const

const sending = {
  ...connection,
  subject: { type: 'string', description: 'Whose upload it is, with an api key', default: 'cli' },
  parallel: { type: 'string', description: 'Parts at a time', default: '4' },
  json: { type: 'boolean', description: 'Print the result as JSON', default: false },
} as const

interface Connection {
  url: string
  credential: string
  namesSubject: boolean
}

/** What was given, else the environment, else the embedded service of this folder. */
async function connect(args: { url?: string; key?: string; grant?: string }): Promise<Connection> {
  const { env } = process
  const path = resolve(env.DATA_DIR || '.countersign', 'cli.json')
  const file = JSON.parse(await readFile(path, 'utf8').catch(() => '{}')) as {
    url?: string
    apiKey?: string
  }
  const url = args.url ?? env.COUNTERSIGN_URL ?? file.url
  const grant = args.grant ?? env.COUNTERSIGN_GRANT
  const key = args.key ?? env.COUNTERSIGN_KEY ?? (url === file.url ? file.apiKey : undefined)
  const credential = grant ?? key
  if (!url || !credential) {
    say(
      url
        ? 'No credential: give --key or --grant (or COUNTERSIGN_KEY, COUNTERSIGN_GRANT).'
        : `No service: run "npm start" in this folder, or give --url and --key. (Looked for ${path}.)`,
    )
    process.exit(USAGE)
  }
  return { url: url.replace(/\/+$/, ''), credential, namesSubject: grant === undefined }
}

const unfinished = () =>
  unfinishedUploads(
    join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'countersign'),
  )

/** The first Ctrl-C stops and keeps what was sent, the second ends at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController()
  process.on('SIGINT', () => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort(new Error('stopped'))
  })
  return controller.signal
}

function wholeNumber(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= most) return number
  say(`--${name} must be a whole number from 1 to ${most}.`)
  process.exit(USAGE)
}

async function context(args: {
  url?: string
  key?: string
  grant?: string
  parallel: string
  json: boolean
}): Promise<UploadContext & { url: string }> {
  const { url, credential, namesSubject } = await connect(args)
  return {
    url,
    credential,
    namesSubject,
    unfinished: unfinished(),
    parallel: wholeNumber('parallel', args.parallel, 64)!,
    json: args.json,
    out,
    progress: process.stderr,
    now: () => performance.now(),
    signal: stopSignal(),
  }
}

const uploadCommand = defineCommand({
  meta: {
    name: 'upload',
    description: 'Upload files; an unfinished upload of the same file is continued',
  },
  args: {
    file: { type: 'positional', description: 'The file (more may follow)', required: true },
    ...sending,
    policy: { type: 'string', description: 'Policy of the app' },
    'content-type': { type: 'string', description: 'Content type of the object' },
    'part-size': { type: 'string', description: 'Bytes of a part' },
  },
  async run({ args }) {
    const uploading = await context(args)
    const partSizeBytes = wholeNumber('part-size', args['part-size'], Number.MAX_SAFE_INTEGER)
    for (const file of args._.map(String)) {
      const code = await uploadFile(
        uploading,
        entryFor(file, {
          url: uploading.url,
          subject: args.subject,
          policy: args.policy,
          contentType: args['content-type'],
          partSizeBytes,
        }),
      )
      process.exitCode = Math.max(Number(process.exitCode ?? 0), code)
      if (uploading.signal.aborted) return
    }
  },
})

const resumeCommand = defineCommand({
  meta: { name: 'resume', description: 'Continue interrupted uploads of this machine' },
  args: {
    file: { type: 'positional', description: 'Only this file', required: false },
    ...sending,
    list: { type: 'boolean', description: 'Only list them', default: false },
  },
  async run({ args }) {
    const all = await unfinished().list()
    const wanted = args.file ? resolve(String(args.file)) : undefined
    const entries = all.filter(({ file }) => wanted === undefined || file === wanted)
    if (!entries.length) return say('Nothing to continue here.')
    if (args.list) {
      for (const { file, uploadId, url } of entries) out(`${file}  ${uploadId ?? ''}  ${url}`)
      return
    }
    const uploading = await context(args)
    for (const entry of entries) {
      const code = await uploadFile(uploading, { ...entry, url: uploading.url })
      process.exitCode = Math.max(Number(process.exitCode ?? 0), code)
      if (uploading.signal.aborted) return
    }
  },
})

function about(name: 'status' | 'abort', description: string, method: 'GET' | 'DELETE') {
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
            : `No answer from ${url}.`,
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
    description: 'Uploads straight to object storage',
    version: packageVersion(),
  },
  subCommands: {
    upload: uploadCommand,
    resume: resumeCommand,
    status: about('status', 'What is stored of an upload and what is missing', 'GET'),
    serve: serveCommand,
    migrate: migrateCommand({ environment: process.env, say }),
    keys: keysCommand({ environment: process.env, say }),
    bucket: bucketCommand({ environment: process.env, out: process.stdout, say }),
    abort: about('abort', 'Abort an upload and give back what it holds', 'DELETE'),
  },
})

const fault = await flagFault(main, process.argv.slice(2))
if (fault) {
  say(fault)
  process.exitCode = USAGE
} else {
  await runMain(main)
}
