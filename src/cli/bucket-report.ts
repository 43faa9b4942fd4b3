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

/** What several findings in a row have in common is printed once: the subject first, the advice last. */
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
  const judge =
    warnings === 0
      ? ''
      : ` ${warnings === 1 ? 'One warning is' : `${warnings} warnings are`} yours to judge.`
  if (failures.length) return 'The bucket is not set up.'
  if (missing.length) {
    const [count, them] =
      missing.length === 1 ? ['One thing is', 'it'] : [`${missing.length} things are`, 'them']
    const applies = command === 'check' && missing.every((finding) => finding.applies)
    const how = applies ? `: "countersign bucket apply" adds ${them}` : ', and yours to put right'
    return `${count} missing${how}.${judge}`
  }
  if (command === 'check') return `Nothing is missing.${judge}`
  return changes.length
    ? `Written, read back, and complete.${judge}`
    : `Nothing needed to change.${judge}`
}
