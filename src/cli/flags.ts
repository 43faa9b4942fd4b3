// Refuses unknown options. citty ignores them, so a misspelt option would silently have no effect.
import type { ArgsDef, CommandDef, Resolvable } from 'citty'
import { nearest } from '../core/nearest.ts'

const BUILT_IN = ['help', 'h', 'version', 'v']

const resolved = async <Value>(value: Resolvable<Value>): Promise<Value> =>
  typeof value === 'function' ? (value as () => Value | Promise<Value>)() : value

/** Returns a message for the first unknown option, or undefined. */
export async function findUnknownFlag(
  command: CommandDef,
  rawArgs: readonly string[],
): Promise<string | undefined> {
  const known: ArgsDef = (await resolved(command.args)) ?? {}
  const subCommands = (await resolved(command.subCommands)) ?? {}
  for (let index = 0; index < rawArgs.length; index++) {
    const text = rawArgs[index]!
    if (text === '--') return undefined
    const sub = Object.hasOwn(subCommands, text) ? await resolved(subCommands[text]!) : undefined
    if (sub) return findUnknownFlag(sub, rawArgs.slice(index + 1))
    if (!/^-./.test(text)) continue
    const name = text.replace(/^--?/, '').replace(/=.*$/s, '')
    const kind = known[name]?.type
    if (kind === 'string' && !text.includes('=')) index++
    const negated = /^--no-(.+)/.exec(text)?.[1]
    const isKnown =
      (kind !== undefined && kind !== 'positional') ||
      (negated !== undefined && known[negated]?.type === 'boolean') ||
      BUILT_IN.includes(name)
    if (!isKnown) return describeUnknown(text, optionsOf(known))
  }
  return undefined
}

function optionsOf(known: ArgsDef): string[] {
  return Object.entries(known).flatMap(([name, { type }]) => {
    if (type === 'positional') return []
    return type === 'boolean' ? [`--${name}`, `--no-${name}`] : [`--${name}`]
  })
}

function describeUnknown(text: string, options: readonly string[]): string {
  const flag = text.replace(/=.*$/s, '')
  const similar = nearest(flag, options, () => 2)
  const advice = similar ? `Did you mean ${similar}?` : 'See --help.'
  return `Unknown option ${flag}. ${advice}`
}
