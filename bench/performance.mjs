// `npm run bench`: Countersign beside its peers in one interleaved run. Each slice is a fresh process, and their order rotates from
// round to round. Writes docs/performance.md unless the run is a `--quick` one, which only proves that every slice works.
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { checkAgainstAliOss } from './gate.mjs'
import { ROWS, UNMEASURED } from './rows.mjs'

const quick = process.argv.includes('--quick')
const [, rounds = 7] = /--rounds=(\d+)/.exec(process.argv.join(' ')) ?? []
const ROUNDS = quick ? 1 : Number(rounds)
const SECONDS = quick ? 0.3 : 2
const SLICE_MS = 180_000
const PAGE = new URL('../docs/performance.md', import.meta.url)

const run = promisify(execFile)
const slices = ROWS.flatMap((row) => row.sides.map((side) => ({ row, side, values: [] })))

async function take({ row, side }) {
  const slice = new URL(`./slices/${row.slice}.mjs`, import.meta.url).pathname
  const words = [slice, side, SECONDS, ...(row.words ?? [])].map(String)
  const { stdout } = await run(process.execPath, words, { timeout: SLICE_MS })
  return JSON.parse(stdout).value
}

const sorted = (values) => values.toSorted((a, b) => a - b)
const median = (values) => sorted(values)[Math.floor(values.length / 2)]
const short = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))
/** The median, with least and most. */
const spread = (values) =>
  `${short(median(values))} (${short(Math.min(...values))}–${short(Math.max(...values))})`

function line(row) {
  const of = (side) => slices.find((slice) => slice.row === row && slice.side === side)?.values
  const [ours, peer] = [of(row.sides[0]), row.sides[1] && of(row.sides[1])]
  // Neighbours in time are compared, because the load of the machine changes.
  const ratios = peer?.map((value, round) => value / ours[round])
  return [
    row.what,
    ratios
      ? `**${short(median(ratios))} ×** (${short(Math.min(...ratios))}–${short(Math.max(...ratios))})`
      : '',
    `${spread(ours)} ${row.unit}`,
    peer ? `${spread(peer)} ${row.unit}` : '',
    row.goal,
  ]
}

const table = (head, lines) =>
  [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

await checkAgainstAliOss()
console.log('The signatures are the peers’.')
for (let round = 0; round < ROUNDS; round++) {
  const turn = (round * 3) % slices.length
  for (const slice of [...slices.slice(turn), ...slices.slice(0, turn)]) {
    slice.values.push(await take(slice))
    console.log(`${round + 1}/${ROUNDS} ${slice.row.what}, ${slice.side}: ${slice.values.at(-1)}`)
  }
}

const text = [
  `Node ${process.versions.node}, ${ROUNDS} rounds.`,
  table(['what', 'peer ÷ Countersign', 'Countersign', 'peer', 'goal'], ROWS.map(line)),
  'Not measured yet:',
  table(['what', 'goal'], UNMEASURED),
].join('\n\n')
console.log(`\n${text}`)
if (!quick) {
  const page = readFileSync(PAGE, 'utf8')
  const made = page.replace(
    /(<!-- bench -->\n)[\s\S]*(\n<!-- \/bench -->)/,
    (_, begin, end) => `${begin}\n${text}\n${end}`,
  )
  if (!made.includes(text)) throw new Error('docs/performance.md has lost its markers')
  writeFileSync(PAGE, made)
}
