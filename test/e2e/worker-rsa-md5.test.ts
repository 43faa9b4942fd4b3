// RSASSA-PKCS1-v1_5 with MD5 in a real workerd, whose cryptography is not Node's: the same promises as on Node.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { verifiesRsaMd5 } from '../conformance/rsa-md5.ts'
import { startWorkerd, type Workerd } from '../support/workerd.ts'

const MODULE = fileURLToPath(new URL('../../src/storage/oss/md5.ts', import.meta.url))
const WORKER = `import { verifyRsaMd5 } from ${JSON.stringify(MODULE)}
const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
export default {
  async fetch(request) {
    const { publicKeyPem, message, signature } = await request.json()
    try {
      return Response.json(verifyRsaMd5(publicKeyPem, bytes(message), bytes(signature)))
    } catch (error) {
      return new Response(String(error), { status: 400 })
    }
  },
}
`

describe('verifyRsaMd5 in workerd', () => {
  let directory: string
  let workerd: Workerd
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'countersign-rsa-'))
    await writeFile(join(directory, 'worker.js'), WORKER)
    const config = join(directory, 'wrangler.toml')
    await writeFile(
      config,
      'name = "rsa"\nmain = "worker.js"\ncompatibility_date = "2026-04-01"\ncompatibility_flags = ["nodejs_compat"]\n',
    )
    const databaseUrl = inject('postgres').adminUrl
    workerd = await startWorkerd({ directory, databaseUrl, variables: {}, config })
  })
  afterAll(async () => {
    await workerd?.end('SIGTERM')
    await rm(directory, { recursive: true, force: true })
  })

  verifiesRsaMd5(async (publicKeyPem, message, signature) => {
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
    const response = await fetch(workerd.url, {
      method: 'POST',
      body: JSON.stringify({
        publicKeyPem,
        message: base64(message),
        signature: base64(signature),
      }),
    })
    if (!response.ok) throw new Error(await response.text())
    return (await response.json()) as boolean
  })
})
