// A slice: part URLs over HTTP on one keep-alive connection, from Countersign or Companion in a process of its own.
import { fork } from 'node:child_process'
import { Agent, request } from 'node:http'
import { deriveTokenKeys, mintToken } from '../../dist/core/token.js'
import { checkStaged } from '../gate.mjs'
import { EXAMPLE } from '../signing-example.mjs'
import { measure } from './measure.mjs'

const [side, seconds, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
const PART_BYTES = 1024 * 1024
const secret = new Uint8Array(32).fill(7)
const { key, storageUploadId } = EXAMPLE
const partNumbers = Array.from({ length: count }, (_, index) => index + 1)

async function mint() {
  const end = Math.floor(Date.now() / 1000) + 3600
  return mintToken(await deriveTokenKeys([{ kid: 'k1', secret }]), 'upload', {
    ...{ app: 'app_bench', upload: 'upl_bench', method: 'multipart', store: 'default', key },
    ...{ storage: storageUploadId, generation: 1, urlSeconds: 900, end, exp: end },
    plan: { sizeBytes: 10_000 * PART_BYTES, partSizeBytes: PART_BYTES, partCount: 10_000 },
  })
}

const requests = {
  async ours() {
    const body = JSON.stringify({ partNumbers })
    return {
      method: 'POST',
      path: '/v1/uploads/upl_bench/parts',
      headers: {
        authorization: `Bearer ${await mint()}`,
        'content-type': 'application/json',
        'content-length': String(body.length),
      },
      body,
      check({ parts }) {
        for (const { url, partNumber } of parts) {
          checkStaged(url, partNumber, { 'content-length': String(PART_BYTES) })
        }
        return parts.length
      },
    }
  },
  peer: () => ({
    method: 'GET',
    path:
      count === 1
        ? `/s3/multipart/${storageUploadId}/1?key=${encodeURIComponent(key)}`
        : `/s3/multipart/${storageUploadId}/batch?key=${encodeURIComponent(key)}&partNumbers=${partNumbers}`,
    headers: {},
    check: ({ url, presignedUrls }) => (url ? 1 : Object.keys(presignedUrls).length),
  }),
}

const server = fork(new URL(`./http-${side}.mjs`, import.meta.url), [], {
  stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
})
const port = await new Promise((resolve, reject) => {
  server.once('message', resolve)
  server.once('exit', () => reject(new Error(`the server of ${side} ended`)))
})
const { body, check, ...options } = await requests[side]()
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

const call = () =>
  new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, agent, ...options }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('end', () => {
        const text = Buffer.concat(chunks)
        if (answer.statusCode === 200) resolve(text)
        else reject(new Error(`${answer.statusCode}: ${text}`))
      })
      answer.on('error', reject)
    })
    sent.setTimeout(60_000, () => sent.destroy(new Error('no answer')))
    sent.on('error', reject)
    sent.end(body)
  })

try {
  const signed = check(JSON.parse(await call()))
  if (signed !== count) throw new Error(`${signed} URLs instead of ${count}`)
  await measure(call, { seconds, unitsPerRun: count })
} finally {
  agent.destroy()
  server.kill()
}
