// Uploads an 8 MiB sample through the whole service at the first start, and prints how long each step takes.
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MiB } from '../core/part-plan.ts'

const SAMPLE_BYTES = 8 * MiB
const PART_BYTES = 2 * MiB

async function expectOk(step: string, response: Response): Promise<Response> {
  if (response.ok) return response
  throw new Error(`the sample failed to ${step}: ${response.status} ${await response.text()}`)
}

/** Once per DATA_DIR: a file marks success. */
export async function sendSample(
  directory: string,
  url: string,
  apiKey: string,
  say: (line: string) => void,
): Promise<void> {
  const marker = join(directory, 'sample-sent')
  if (existsSync(marker)) return
  const bytes = new Uint8Array(randomBytes(SAMPLE_BYTES))
  const json = (path: string, token: string, body: unknown) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  async function step<Value>(name: string, run: () => Promise<Value>): Promise<Value> {
    const began = performance.now()
    const value = await run()
    say(`  ${name.padEnd(34)} ${Math.round(performance.now() - began)} ms`)
    return value
  }
  interface Created {
    id: string
    parts: Array<{ url: string; headers: Record<string, string>; partNumber: number }>
    completionToken: string
  }

  say('A first upload of 8 MiB, to see that everything works:')
  const created = await step('authorise, plan and sign 4 parts', async () => {
    const body = {
      filename: 'sample.bin',
      sizeBytes: SAMPLE_BYTES,
      partSizeBytes: PART_BYTES,
      subject: 'demo',
    }
    const response = await expectOk('create', await json('/v1/uploads', apiKey, body))
    return (await response.json()) as Created
  })
  await step('send the parts to the store', () =>
    Promise.all(
      created.parts.map(async ({ url: partUrl, headers, partNumber }) => {
        const body = bytes.subarray((partNumber - 1) * PART_BYTES, partNumber * PART_BYTES)
        await expectOk('send a part', await fetch(partUrl, { method: 'PUT', headers, body }))
      }),
    ),
  )
  await step('complete and verify', async () =>
    expectOk(
      'complete',
      await json(`/v1/uploads/${created.id}/complete`, created.completionToken, {}),
    ),
  )
  await step('read it back and compare', async () => {
    const response = await fetch(`${url}/v1/uploads/${created.id}/object`, {
      headers: { authorization: `Bearer ${apiKey}` },
    })
    const back = createHash('sha256').update(new Uint8Array(await response.arrayBuffer()))
    const sent = createHash('sha256').update(bytes)
    if (back.digest('hex') !== sent.digest('hex')) throw new Error('the sample came back changed')
  })
  await writeFile(marker, '')
}
