// deploy/countersign.service as systemd reads it: its settings in their order, and the system calls that it leaves.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from './checkout.ts'

const UNDER_FILTER = fileURLToPath(new URL('./under-filter.py', import.meta.url))

const unitText = readFileSync(join(ROOT, 'deploy/countersign.service'), 'utf8')

/** Every value that the setting is given, from the first line to the last. */
export const settingsOf = (name: string): string[] =>
  [...unitText.matchAll(/^(\w+)=(.*)$/gm)].flatMap(([, key, value]) =>
    key === name ? [value!] : [],
  )

/** The calls of a set, with those of the sets that it contains. */
function callsIn(set: string): string[] {
  if (!set.startsWith('@')) return [set]
  const listed = execFileSync('systemd-analyze', ['syscall-filter', set], { encoding: 'utf8' })
  const members = listed.match(/^ +[@\w].*$/gm) ?? []
  return members.flatMap((member) => callsIn(member.trim()))
}

/** systemd.exec(5), SystemCallFilter=: a list of what is allowed always holds @default; `~` takes away from it. */
export function allowedCalls(): Set<string> {
  const allowed = new Set(callsIn('@default'))
  for (const filter of settingsOf('SystemCallFilter')) {
    const takesAway = filter.startsWith('~')
    for (const call of filter.replace('~', '').split(' ').flatMap(callsIn)) {
      if (takesAway) allowed.delete(call)
      else allowed.add(call)
    }
  }
  return allowed
}

/** The command before a program that is to run with the calls that the unit leaves, and no others. */
export function underFilter(): string[] {
  const action = settingsOf('SystemCallErrorNumber').at(-1) ?? 'kill'
  return ['python3', UNDER_FILTER, action, [...allowedCalls()].join(' ')]
}
