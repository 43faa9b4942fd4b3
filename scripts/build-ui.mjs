// Builds the page into dist/public: script, style, document, and the headers for Workers.
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'
import { PAGE_HEADERS } from '../dist/ui/headers.js'

await mkdir('dist/public', { recursive: true })
await build({
  entryPoints: ['src/ui/page.ts'],
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  outfile: 'dist/public/page.js',
  logLevel: 'warning',
})
for (const file of ['index.html', 'page.css'])
  await copyFile(`src/ui/${file}`, `dist/public/${file}`)
const lines = Object.entries(PAGE_HEADERS).map(([name, value]) => `  ${name}: ${value}`)
await writeFile('dist/public/_headers', `/*\n${lines.join('\n')}\n`)
