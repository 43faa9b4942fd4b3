// What `countersign bucket` prints: a mark, what it is about, what was found, and what to do.
import type { Finding } from '../bucket/review.ts'
import type { Outcome } from './bucket-work.ts'

export interface Terminal {
  write(text: string): unknown
  isTTY?: boolean
}

const COLOURS = { green: 32, red: 31, yellow: 33, dim: 2, bold: 1 } as const
type Paint = (colour: keyof typeof COLOURS, text: string) => string

const MARKS = {
  ok: ['✓', 'green'],
  missing: ['✗', 'red'],
  warning: ['!', 'yellow'],
} as const satisfies Record<Finding['level'], readonly [string, keyof typeof COLOURS]>

const ABOUT_WIDTH = 'Versioning'.length + 2

export const painter =
  (coloured: boolean): Paint =>
  (colour, text) =>
    coloured ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text

export interface Report extends Outcome {
  command: 'check' | 'apply'
  store: string
  bucket: string
  endpoint: string
}

export function reportLines(report: Report, paint: Paint): string[] {
  const { store, bucket, endpoint, findings, changes, failures } = report
  return [
    `Bucket ${paint('bold', bucket)} at ${endpoint} ${paint('dim', `(store "${store}")`)}`,
    '',
    ...findings.flatMap((finding, index) =>
      findingLines(finding, findings[index - 1]?.about === finding.about, paint),
    ),
    '',
    ...changes.map((line) => `${paint('green', '+')} ${line}`),
    ...failures.map((line) => `${paint('red', '✗')} ${line}`),
    conclusion(report),
  ]
}

function findingLines({ level, about, text, todo }: Finding, repeated: boolean, paint: Paint) {
  const [mark, colour] = MARKS[level]
  const head = (repeated ? '' : about).padEnd(ABOUT_WIDTH)
  return [
    `  ${paint(colour, mark)} ${head}${text}`,
    ...(todo ? [`    ${' '.repeat(ABOUT_WIDTH)}${paint('dim', `→ ${todo}`)}`] : []),
  ]
}

const things = (count: number) => (count === 1 ? 'One thing is' : `${count} things are`)

function conclusion({ command, findings, changes, failures }: Report): string {
  const missing = findings.filter(({ level }) => level === 'missing')
  const warnings = findings.filter(({ level }) => level === 'warning').length
  const look = warnings
    ? ` ${warnings === 1 ? 'One warning is' : `${warnings} warnings are`} yours to judge.`
    : ''
  if (failures.length) return 'The bucket is not set up.'
  if (missing.length) {
    const applies = missing.every((finding) => finding.applies)
    const how =
      command === 'check' && applies
        ? ' "countersign bucket apply" puts it right.'
        : ' See what to do above.'
    return `${things(missing.length)} missing.${how}${look}`
  }
  if (command === 'check') return `Nothing is missing.${look}`
  return changes.length
    ? `Written, read back, and complete.${look}`
    : `Nothing needed to change.${look}`
}
