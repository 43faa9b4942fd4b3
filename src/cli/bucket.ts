// `countersign bucket check` and `bucket apply`: is the bucket set up for uploads, and what it lacks is added.
import { defineCommand } from 'citty'
import { ABORT_AFTER_DAYS } from '../bucket/lifecycle.ts'
import {
  assumeRolePolicy,
  processingPolicies,
  ramPolicy,
  rolePolicy,
  setupPolicy,
} from '../bucket/ram.ts'
import { ApiProblem } from '../client/api.ts'
import { ConfigError } from '../config.ts'
import { isStoreFailure } from '../core/ports/store-failure.ts'
import { painter, reportLines, type Terminal } from './bucket-report.ts'
import {
  type BucketTarget,
  type Environment,
  findWanted,
  openTarget,
  usageFault,
} from './bucket-target.ts'
import { applyToBucket, checkBucket } from './bucket-work.ts'

const USAGE = 2
const MAX_DAYS = 3650
const ROLE_TO_FILL_IN = 'acs:ram::<account>:role/<name>'

export interface BucketContext {
  environment: Environment
  out: Terminal
  say: (line: string) => void
}

const args = {
  store: { type: 'string', description: 'Store by name, if not "default"' },
  prefix: { type: 'string', description: 'Key prefix (repeatable); else those of all apps' },
  origin: { type: 'string', description: 'Origin of a web page (repeatable); else the apps’' },
  days: {
    type: 'string',
    description: 'Abort uploads after so many days: more than the longest maxSeconds',
    default: String(ABORT_AFTER_DAYS),
  },
  url: { type: 'string', description: 'The service (or COUNTERSIGN_URL)' },
  'admin-key': { type: 'string', description: 'To list its apps (or ADMIN_KEY)' },
  json: { type: 'boolean', description: 'Print the result as JSON', default: false },
  ram: { type: 'boolean', description: 'Only print the RAM policies', default: false },
  role: { type: 'string', description: 'With --ram: ARN of the role for STS' },
  tags: { type: 'boolean', description: 'With --ram: objects are given tags', default: false },
  processing: {
    type: 'boolean',
    description: 'With --ram: for processing targets',
    default: false,
  },
} as const

type Name = keyof typeof args

/** Every value of a flag that may be repeated: the parser keeps only the last. */
function valuesOf(rawArgs: readonly string[], name: Name): string[] {
  const flag = `--${name}`
  return rawArgs.flatMap((text, index) => {
    if (text.startsWith(`${flag}=`)) return [text.slice(flag.length + 1)]
    return text === flag && rawArgs[index + 1] !== undefined ? [rawArgs[index + 1]!] : []
  })
}

function checkOrigin(origin: string): string {
  if (origin === '*' || /^[a-z][\w+.-]*:\/\/[^\s/*]*\*?[^\s/*]*$/i.test(origin)) return origin
  throw usageFault(
    `Origin ${JSON.stringify(origin)}: OSS takes *, or scheme and host with at most one asterisk.`,
  )
}

function readDays(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= MAX_DAYS) return Number(text)
  throw usageFault(`--days must be a whole number from 1 to ${MAX_DAYS}.`)
}

interface Given {
  store?: string
  url?: string
  'admin-key'?: string
  days: string
  json: boolean
  ram: boolean
  role?: string
  tags: boolean
  processing: boolean
}

async function run(
  command: 'check' | 'apply',
  context: BucketContext,
  given: Given,
  rawArgs: readonly string[],
): Promise<number> {
  const { environment, out } = context
  const abortAfterDays = readDays(given.days)
  const target = await openTarget(environment, given.store)
  const wanted = await findWanted(environment, {
    prefixes: valuesOf(rawArgs, 'prefix'),
    // Policies name no origin, so none is asked for.
    origins: given.ram ? ['*'] : valuesOf(rawArgs, 'origin'),
    url: given.url,
    adminKey: given['admin-key'],
  })
  wanted.origins.forEach(checkOrigin)
  const print = (value: unknown) => out.write(`${JSON.stringify(value, null, 2)}\n`)
  if (given.ram) {
    print(policies(target, wanted.prefixes, given))
    return 0
  }
  const { settings, store, bucket, endpoint } = target
  const work = command === 'apply' ? applyToBucket : checkBucket
  const outcome = await work(settings, { ...wanted, abortAfterDays })
  const complete =
    outcome.failures.length === 0 && outcome.findings.every(({ level }) => level !== 'missing')
  if (given.json) {
    print({ store, bucket, endpoint, ...wanted, complete, ...outcome })
  } else {
    const paint = painter(out.isTTY === true && !environment.NO_COLOR)
    const lines = reportLines({ command, store, bucket, endpoint, ...outcome }, paint)
    out.write(`${lines.join('\n')}\n`)
  }
  return complete ? 0 : 1
}

const policies = (
  { bucket, roleArn }: BucketTarget,
  prefixes: readonly string[],
  { role, tags, processing }: Given,
) => ({
  service: ramPolicy(bucket, prefixes, { tags }),
  bucketApply: setupPolicy(bucket),
  role: rolePolicy(bucket, prefixes),
  assumeRole: assumeRolePolicy(role ?? roleArn ?? ROLE_TO_FILL_IN),
  ...(processing ? { processing: processingPolicies(bucket, prefixes) } : {}),
})

/** In a line, and the exit code: 2 where the question was wrong, 1 where the answer is. */
function explain(error: unknown): { line: string; code: number } {
  if (error instanceof ConfigError) {
    return { line: `This configuration cannot be used:\n${error.message}`, code: USAGE }
  }
  if (error instanceof ApiProblem) return { line: `${error.code}: ${error.message}`, code: 1 }
  if (isStoreFailure(error)) {
    const { cause } = error
    const why =
      cause instanceof Error ? ` (${(cause.cause as Error)?.message ?? cause.message})` : ''
    return { line: `No answer from the store${why}. Is it running?`, code: 1 }
  }
  if (!(error instanceof Error)) throw error
  return { line: error.message, code: error.name === 'UsageFault' ? USAGE : 1 }
}

function subCommand(command: 'check' | 'apply', description: string, context: BucketContext) {
  return defineCommand({
    meta: { name: command, description },
    args,
    async run({ args: given, rawArgs }) {
      try {
        process.exitCode = await run(command, context, given, rawArgs)
      } catch (error) {
        const { line, code } = explain(error)
        context.say(line)
        process.exitCode = code
      }
    },
  })
}

export const bucketCommand = (context: BucketContext) =>
  defineCommand({
    meta: {
      name: 'bucket',
      description: 'Set up the bucket: CORS, and a rule for abandoned parts',
    },
    subCommands: {
      check: subCommand('check', 'Say what the bucket lacks; exits 1 if anything', context),
      apply: subCommand('apply', 'Add what it lacks; foreign rules stay as they are', context),
    },
  })
