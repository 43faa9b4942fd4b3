// The report of `countersign bucket`: one line a finding, with a mark, its subject, its text and advice.
import type { Finding } from '../bucket/review.ts'
import type { Outcome } from './bucket-work.ts'

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
    ...paragraph(changes.map((line) => `  ${paint('green', '+')} ${line}`)),
    ...paragraph(
      findings.flatMap((finding, index) =>
        findingLines(finding, findings[index - 1], findings[index + 1], paint),
      ),
    ),
    ...paragraph(failures.map((line) => `${paint('red', '✗')} ${line}`)),
    conclusion(report),
  ]
}

const paragraph = (lines: string[]) => (lines.length ? [...lines, ''] : [])

/** Neighbouring findings share their subject, which the first one prints, and their advice, which the last one prints. */
function findingLines(
  { level, about, text, todo }: Finding,
  previous: Finding | undefined,
  next: Finding | undefined,
  paint: Paint,
) {
  const [mark, colour] = MARKS[level]
  const head = (previous?.about === about ? '' : about).padEnd(ABOUT_WIDTH)
  const advice = todo !== undefined && next?.todo !== todo
  return [
    `  ${paint(colour, mark)} ${head}${text}`,
    ...(advice ? [`    ${' '.repeat(ABOUT_WIDTH)}${paint('dim', `→ ${todo}`)}`] : []),
  ]
}

function conclusion({ command, findings, changes, failures }: Report): string {
  const missing = findings.filter(({ level }) => level === 'missing')
  const warnings = findings.filter(({ level }) => level === 'warning').length
  const review =
    warnings === 0 ? '' : ` Review ${warnings === 1 ? 'the warning' : `the ${warnings} warnings`}.`
  if (failures.length) return 'The bucket is not set up yet.'
  if (missing.length) {
    const [count, them] =
      missing.length === 1 ? ['One setting is', 'it'] : [`${missing.length} settings are`, 'them']
    const applies = command === 'check' && missing.every((finding) => finding.applies)
    const how = applies ? `Run "countersign bucket apply" to add ${them}.` : 'See above.'
    return `${count} missing. ${how}${review}`
  }
  if (command === 'check') return `Nothing is missing.${review}`
  return changes.length
    ? `All changes are written and verified.${review}`
    : `Nothing needed to change.${review}`
}
