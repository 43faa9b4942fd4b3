// The progress of one file: one line that redraws itself on a terminal, a line each ten percent anywhere else.
import type { Progress } from '../client/index.ts'

const BAR_WIDTH = 24
const REDRAW_MS = 100
const MiB = 1024 * 1024

const size = (bytes: number) =>
  bytes < MiB ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / MiB).toFixed(1)} MiB`

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '--:--'
  const whole = Math.round(seconds)
  const minutes = Math.floor(whole / 60) % 60
  const clock = `${String(minutes).padStart(2, '0')}:${String(whole % 60).padStart(2, '0')}`
  return whole >= 3600 ? `${Math.floor(whole / 3600)}:${clock}` : clock
}

/** One line for the state of things. `seconds` is how long the sending has taken. */
function progressLine(name: string, progress: Progress, seconds: number): string {
  const { sentBytes, totalBytes, partsDone, partCount, resumedBytes, state } = progress
  const share = totalBytes === 0 ? 1 : sentBytes / totalBytes
  const full = Math.round(share * BAR_WIDTH)
  const bar = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full)
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  if (state === 'verifying') return `${name}  ${bar} ${percent}  checking what is stored already`
  if (state === 'completing') return `${name}  ${bar} ${percent}  completing …`
  const rate = seconds > 0 ? (sentBytes - resumedBytes) / seconds : 0
  const left = duration((totalBytes - sentBytes) / rate)
  return `${name}  ${bar} ${percent}  ${size(sentBytes)} of ${size(totalBytes)}  ${size(rate)}/s  ${left} left  part ${partsDone}/${partCount}`
}

export interface ProgressOutput {
  write(text: string): unknown
  isTTY?: boolean
  columns?: number
}

export function progressBar(name: string, output: ProgressOutput, now: () => number) {
  let began: number | undefined
  let drawnAt = 0
  let tenth = -1
  let drawn = false

  function drawLine(line: string): void {
    const width = (output.columns ?? 100) - 1
    output.write(`\r\u001b[2K${line.length > width ? `${line.slice(0, width - 1)}…` : line}`)
    drawn = true
  }

  return {
    show(progress: Progress): void {
      const at = now()
      if (progress.state === 'sending') began ??= at
      const line = progressLine(name, progress, (at - (began ?? at)) / 1000)
      if (output.isTTY) {
        const last = progress.sentBytes === progress.totalBytes
        if (!last && at - drawnAt < REDRAW_MS) return
        drawnAt = at
        drawLine(line)
        return
      }
      const reached = Math.floor((10 * progress.sentBytes) / Math.max(1, progress.totalBytes))
      if (progress.state !== 'sending' || reached === tenth) return
      tenth = reached
      output.write(`${line}\n`)
    },
    /** Leaves the line, so that what comes next starts on its own. */
    end(): void {
      if (drawn) output.write('\r\u001b[2K')
      drawn = false
    },
  }
}
