// Builds the page into dist/public: one script, the style and the document.
import { copyFile, mkdir } from 'node:fs/promises'
import { build } from 'esbuild'

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
