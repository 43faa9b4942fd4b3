// Options that no command knows are refused: citty takes them for values, and a misspelt one would do something else than was
// meant.
import type { ArgsDef, CommandDef, Resolvable } from 'citty'
import { nearest } from '../core/nearest.ts'

const BUILT_IN = ['help', 'h', 'version', 'v']

const resolved = async <Value>(value: Resolvable<Value>): Promise<Value> =>
  typeof value === 'function' ? (value as () => Value | Promise<Value>)() : value

/** In words, or undefined. */
export async function flagFault(
  command: CommandDef,
  rawArgs: readonly string[],
): Promise<string | undefined> {
  const known: ArgsDef = (await resolved(command.args)) ?? {}
  const subCommands = (await resolved(command.subCommands)) ?? {}
  for (let index = 0; index < rawArgs.length; index++) {
    const text = rawArgs[index]!
    if (text === '--') return undefined
    const sub = Object.hasOwn(subCommands, text) ? await resolved(subCommands[text]!) : undefined
    if (sub) return flagFault(sub, rawArgs.slice(index + 1))
    if (!/^-./.test(text)) continue
    const name = text.replace(/^--?/, '').replace(/=.*$/s, '')
    const kind = known[name]?.type
    if (kind === 'string' && !text.includes('=')) index++
    const negated = /^--no-(.+)/.exec(text)?.[1]
    const isKnown =
      (kind !== undefined && kind !== 'positional') ||
      (negated !== undefined && known[negated]?.type === 'boolean') ||
      BUILT_IN.includes(name)
    if (!isKnown) return unknownFlag(text, optionsOf(known))
  }
  return undefined
}

function optionsOf(known: ArgsDef): string[] {
  return Object.entries(known).flatMap(([name, { type }]) => {
    if (type === 'positional') return []
    return type === 'boolean' ? [`--${name}`, `--no-${name}`] : [`--${name}`]
  })
}

function unknownFlag(given: string, options: readonly string[]): string {
  const flag = given.replace(/=.*$/s, '')
  const meant = nearest(flag, options, () => 2)
  const rest = meant ? `Is ${meant} meant?` : 'See --help.'
  return `There is no option ${flag} here. ${rest}`
}
