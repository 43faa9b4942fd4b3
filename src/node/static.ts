// Serves the page from dist/public. On Workers the assets binding does that.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Api } from '../http/route.ts'
import { PAGE_HEADERS } from '../ui/headers.ts'

const PUBLIC = fileURLToPath(new URL('../../dist/public/', import.meta.url))

const FILES: Record<string, { file: string; type: string }> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
}

export function serveStatic(api: Api): void {
  for (const [path, { file, type }] of Object.entries(FILES)) {
    api.get(path, async (c) => {
      const content = await readFile(`${PUBLIC}${file}`).catch(() => undefined)
      if (!content) return c.notFound()
      return c.newResponse(new Uint8Array(content), 200, {
        'content-type': type,
        ...PAGE_HEADERS,
      })
    })
  }
}
