// The progress of one file: a line that is redrawn on a terminal, or a new line for every ten percent elsewhere.
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

/** Renders one line. `seconds` is the time since the first part. */
function progressLine(name: string, progress: Progress, seconds: number): string {
  const { sentBytes, totalBytes, partsDone, partCount, resumedBytes, state } = progress
  const share = totalBytes === 0 ? 1 : sentBytes / totalBytes
  const full = Math.round(share * BAR_WIDTH)
  const bar = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full)
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  if (state === 'verifying') return `${name}  ${bar} ${percent}  checking the stored parts`
  if (state === 'completing') return `${name}  ${bar} ${percent}  completing …`
  const rate = seconds > 0 ? (sentBytes - resumedBytes) / seconds : 0
  const left = duration((totalBytes - sentBytes) / rate)
  return `${name}  ${bar} ${percent}  ${size(sentBytes)} of ${size(totalBytes)}  ${size(rate)}/s  ${left} left  part ${partsDone}/${partCount}`
}

export interface Terminal {
  write(text: string): unknown
  isTTY?: boolean
  columns?: number
}

export function progressBar(name: string, output: Terminal, now: () => number) {
  let startedAt: number | undefined
  let drawnAt = 0
  let lastTenth = -1
  let drawn = false

  function drawLine(line: string): void {
    const width = (output.columns ?? 100) - 1
    output.write(`\r\u001b[2K${line.length > width ? `${line.slice(0, width - 1)}…` : line}`)
    drawn = true
  }

  return {
    show(progress: Progress): void {
      const at = now()
      if (progress.state === 'sending') startedAt ??= at
      const line = progressLine(name, progress, (at - (startedAt ?? at)) / 1000)
      if (output.isTTY) {
        const isLast = progress.sentBytes === progress.totalBytes
        if (!isLast && at - drawnAt < REDRAW_MS) return
        drawnAt = at
        drawLine(line)
        return
      }
      const tenth = Math.floor((10 * progress.sentBytes) / Math.max(1, progress.totalBytes))
      if (progress.state !== 'sending' || tenth === lastTenth) return
      lastTenth = tenth
      output.write(`${line}\n`)
    },
    /** Clears the line, so that later output starts on a line of its own. */
    end(): void {
      if (drawn) output.write('\r\u001b[2K')
      drawn = false
    },
  }
}
