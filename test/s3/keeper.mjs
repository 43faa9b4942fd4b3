// Runs the programs of one store server, and outlives whoever asked for it: when its stdin closes, because the test run ended or
// was killed, it kills the programs and removes their folder. `keeper.ts` is the other side.
import { spawn } from 'node:child_process'
import { openSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'

const [folder] = process.argv.slice(2)
const children = new Set()

const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)

function start({ name, command, args, env }) {
  const log = openSync(`${folder}/${name}.out`, 'a')
  const child = spawn(command, args, {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...env },
  })
  children.add(child)
  const ended = (how) => {
    children.delete(child)
    tell({ name, ended: String(how) })
    if (ending && !children.size) leave()
  }
  child.once('error', ended)
  child.once('exit', (code, signal) => ended(code ?? signal))
}

let ending = false

// Nothing that a store in memory holds is worth a clean end.
function end() {
  ending = true
  for (const child of children) child.kill('SIGKILL')
  if (!children.size) leave()
}

function leave() {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit()
}

process.stdout.on('error', () => {})
createInterface({ input: process.stdin })
  .on('line', (line) => start(JSON.parse(line)))
  .on('close', end)
