// A slice: 10,000 URLs in a real workerd, by Countersign's signer or by aws4fetch. The clock of workerd stands still while it
// computes, so the caller's clock measures.
import { createRequire } from 'node:module'
import { build } from 'esbuild'
import { EXAMPLE } from '../signing-example.mjs'
import { measure } from './measure.mjs'

const COUNT = 10_000
const [side, seconds] = [process.argv[2], Number(process.argv[3])]
// wrangler brings it.
const { Miniflare } = createRequire(
  createRequire(import.meta.url).resolve('wrangler/package.json'),
)('miniflare')

const SIDES = {
  ours: `
    import { planParts } from '../dist/signing/oss4-parts.js'
    import { oss4DateTime, signingKey } from '../dist/signing/oss4.js'
    const sign = (count) => {
      const scope = { dateTime: oss4DateTime(new Date()), region: example.region }
      const key = signingKey(example.credentials.secretAccessKey, scope)
      const signPart = planParts({ ...example, scope, signingKey: key })
      let last = ''
      for (let part = 1; part <= count; part++) last = signPart(part, {})
      return last
    }`,
  peer: `
    import { AwsClient } from 'aws4fetch'
    const client = new AwsClient({ ...example.credentials, service: 's3', region: 'us-east-1' })
    const sign = async (count) => {
      let last = ''
      for (let part = 1; part <= count; part++) {
        const url = \`https://\${example.bucket}.s3.amazonaws.com/\${example.key}?X-Amz-Expires=900&partNumber=\${part}&uploadId=\${example.storageUploadId}\`
        last = (await client.sign(url, { method: 'PUT', aws: { signQuery: true } })).url
      }
      return last
    }`,
}

const { outputFiles } = await build({
  stdin: {
    contents: `const example = ${JSON.stringify(EXAMPLE)}
      ${SIDES[side]}
      export default {
        async fetch(request) {
          const count = Number(new URL(request.url).searchParams.get('count'))
          return new Response(await sign(count))
        },
      }`,
    resolveDir: new URL('..', import.meta.url).pathname,
  },
  bundle: true,
  format: 'esm',
  write: false,
  external: ['node:*'],
  target: 'es2022',
})
const worker = new Miniflare({
  modules: true,
  script: outputFiles[0].text,
  compatibilityDate: '2026-04-01',
  compatibilityFlags: ['nodejs_compat'],
})
try {
  const call = async (count) => {
    const answer = await worker.dispatchFetch(`http://worker.test/?count=${count}`)
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(text)
    return text
  }
  await measure(() => call(COUNT), { seconds, unitsPerRun: COUNT })
} finally {
  await worker.dispose()
}
