// The fingerprint that finds an unfinished upload again: the same on every device, whatever its clock and its disk.
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { fileSource } from '../../../src/cli/file-source.ts'
import { fingerprintOf, type Source } from '../../../src/client/index.ts'
import { someBytes } from '../../support/harness.ts'

const BYTES = someBytes(200_000)

/** A file as a browser gives it to a page. */
function blobSource(name: string, bytes: Uint8Array<ArrayBuffer>, lastModified: number): Source {
  const file = new File([bytes], name, { lastModified, type: 'application/pdf' })
  return {
    name: file.name,
    size: file.size,
    type: file.type,
    slice: async (start, end) => file.slice(start, end, ''),
  }
}

it('is the same for a file in the browser, copied to another device, and on the command line', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-fingerprint-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'résumé.pdf'.normalize('NFD'))
  await writeFile(path, BYTES)
  const found = new Set<string>()
  for (const seconds of [0, 1_700_000_000]) {
    await utimes(path, seconds, seconds)
    const source = await fileSource(path)
    found.add(await fingerprintOf(source))
    await source.close()
    found.add(await fingerprintOf(blobSource('résumé.pdf', BYTES, 1000 * seconds)))
  }

  expect([...found]).toHaveLength(1)
})

it('differs for another name, size, start or end', async () => {
  const changed = (at: number) => BYTES.map((byte, index) => (index === at ? byte ^ 1 : byte))
  const files: Array<[string, Uint8Array<ArrayBuffer>]> = [
    ['a.pdf', BYTES],
    ['b.pdf', BYTES],
    ['a.pdf', BYTES.subarray(0, BYTES.length - 1)],
    ['a.pdf', changed(0)],
    ['a.pdf', changed(BYTES.length - 1)],
  ]
  const found = await Promise.all(
    files.map(([name, bytes]) => fingerprintOf(blobSource(name, bytes, 0))),
  )

  expect(new Set(found).size).toBe(files.length)
})
