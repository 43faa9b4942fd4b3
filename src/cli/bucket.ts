// `countersign bucket check` and `bucket apply`: find out what the bucket lacks for uploads, and add it.
import { defineCommand, type ParsedArgs } from 'citty'
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
import { painter, reportLines } from './bucket-report.ts'
import { type BucketTarget, findWanted, openTarget, usageFault } from './bucket-target.ts'
import { applyToBucket, checkBucket } from './bucket-work.ts'
import type { Terminal } from './progress.ts'
import type { ServiceContext } from './service.ts'

const USAGE = 2
const MAX_DAYS = 3650
const ROLE_TO_FILL_IN = 'acs:ram::<account>:role/<name>'

interface BucketContext extends ServiceContext {
  out: Terminal
}

const args = {
  store: { type: 'string', description: 'Name of the store (default: "default")' },
  prefix: { type: 'string', description: 'Key prefix, repeatable (default: those of all apps)' },
  origin: {
    type: 'string',
    description: 'Origin of a web page, repeatable (default: those of all apps)',
  },
  days: {
    type: 'string',
    description: 'Abort uploads after this many days; must exceed the longest maxSeconds',
    default: String(ABORT_AFTER_DAYS),
  },
  url: { type: 'string', description: 'URL of the service (or set COUNTERSIGN_URL)' },
  'admin-key': { type: 'string', description: 'Admin key, to list the apps (or set ADMIN_KEY)' },
  json: { type: 'boolean', description: 'Print the result as JSON', default: false },
  ram: { type: 'boolean', description: 'Only print the RAM policies', default: false },
  role: { type: 'string', description: 'With --ram: ARN of the role for STS' },
  tags: { type: 'boolean', description: 'With --ram: allow object tags', default: false },
  processing: {
    type: 'boolean',
    description: 'With --ram: allow processing targets',
    default: false,
  },
} as const

type Name = keyof typeof args

/** Reads every value of a repeatable flag, because the parser keeps only the last one. */
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
    `Origin ${JSON.stringify(origin)} is not valid. OSS takes *, or scheme and host with at most one asterisk.`,
  )
}

function readDays(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= MAX_DAYS) return Number(text)
  throw usageFault(`--days must be a whole number from 1 to ${MAX_DAYS}.`)
}

type Flags = ParsedArgs<typeof args>

async function run(
  command: 'check' | 'apply',
  context: BucketContext,
  flags: Flags,
  rawArgs: readonly string[],
): Promise<number> {
  const { environment, out } = context
  const abortAfterDays = readDays(flags.days)
  const target = await openTarget(environment, flags.store)
  const wanted = await findWanted(environment, {
    prefixes: valuesOf(rawArgs, 'prefix'),
    // RAM policies contain no origin, so none is needed.
    origins: flags.ram ? ['*'] : valuesOf(rawArgs, 'origin'),
    url: flags.url,
    adminKey: flags['admin-key'],
  })
  wanted.origins.forEach(checkOrigin)
  const print = (value: unknown) => out.write(`${JSON.stringify(value, null, 2)}\n`)
  if (flags.ram) {
    print(policies(target, wanted.prefixes, flags))
    return 0
  }
  const { settings, store, bucket, endpoint } = target
  const work = command === 'apply' ? applyToBucket : checkBucket
  const outcome = await work(settings, { ...wanted, abortAfterDays })
  const complete =
    outcome.failures.length === 0 && outcome.findings.every(({ level }) => level !== 'missing')
  if (flags.json) {
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
  { role, tags, processing }: Flags,
) => ({
  service: ramPolicy(bucket, prefixes, { tags }),
  bucketApply: setupPolicy(bucket),
  role: rolePolicy(bucket, prefixes),
  assumeRole: assumeRolePolicy(role ?? roleArn ?? ROLE_TO_FILL_IN),
  ...(processing ? { processing: processingPolicies(bucket, prefixes) } : {}),
})

/** Returns a message and the exit code: 2 for a wrong command line or configuration, 1 for everything else. */
function explain(error: unknown): { line: string; code: number } {
  if (error instanceof ConfigError) {
    return { line: `This configuration cannot be used:\n${error.message}`, code: USAGE }
  }
  if (error instanceof ApiProblem) return { line: `${error.code}: ${error.message}`, code: 1 }
  if (isStoreFailure(error)) {
    const { cause } = error
    const why =
      cause instanceof Error ? ` (${(cause.cause as Error)?.message ?? cause.message})` : ''
    return { line: `The store does not answer${why}. Is it running?`, code: 1 }
  }
  if (!(error instanceof Error)) throw error
  return { line: error.message, code: error.name === 'UsageFault' ? USAGE : 1 }
}

function subCommand(command: 'check' | 'apply', description: string, context: BucketContext) {
  return defineCommand({
    meta: { name: command, description },
    args,
    async run({ args: flags, rawArgs }) {
      try {
        process.exitCode = await run(command, context, flags, rawArgs)
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
      description: 'Set up the bucket: CORS, and a lifecycle rule for abandoned parts',
    },
    subCommands: {
      check: subCommand(
        'check',
        'Report what the bucket lacks; exits with 1 if anything is missing',
        context,
      ),
      apply: subCommand('apply', 'Add what the bucket lacks; other rules stay unchanged', context),
    },
  })
