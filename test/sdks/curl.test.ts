// curl, for every language and machine without an SDK: the script of docs/clients.md sends parts to URLs that we signed.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PART_BYTES, PART_COUNT, useCountersign } from './countersign.ts'
import { run } from './programs.ts'

const countersign = useCountersign()

type Part = { partNumber: number; url: string; headers: Record<string, string> }

async function putPart({ partNumber, url, headers }: Part) {
  const headerFile = join(countersign.directory, `headers-${partNumber}`)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`)
  await writeFile(headerFile, lines.join(''))
  const env = {
    FILE: countersign.file,
    PART_NUMBER: String(partNumber),
    PART_SIZE_BYTES: String(PART_BYTES),
    HEADERS: headerFile,
    URL: url,
  }
  return run('bash', { env }, join(import.meta.dirname, 'shell/put-part.sh'))
}

test('curl uploads every part, and the object is the file', async () => {
  const upload = await countersign.create()

  const answers = await Promise.all(upload.parts.map(putPart))

  expect(answers).toEqual(Array(PART_COUNT).fill({ code: 0, stdout: '', stderr: '' }))
  expect((await countersign.complete(upload.id)).body.state).toBe('completed')
  await countersign.expectStored(upload.id)
})

test('curl sends only what is missing, and fails where the upload was aborted', async () => {
  const fingerprint = 'curl'
  const { id, key, parts } = await countersign.create({ fingerprint })
  await putPart(parts[1])
  const again = await countersign.create({ fingerprint, resume: true })
  const missing = again.parts.map(({ partNumber }: Part) => partNumber)
  expect(missing).toEqual([1, 3, 4, 5])
  expect((await putPart(again.parts[0])).code).toBe(0)
  expect(await countersign.partsReceived(key)).toBe(2)

  await countersign.call('DELETE', `/v1/uploads/${id}`)

  const late = await putPart(again.parts[1])
  expect(late.code).not.toBe(0)
  expect(late.stdout).toContain('<Code>NoSuchUpload</Code>')
})
