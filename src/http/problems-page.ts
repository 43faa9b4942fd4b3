// The page that a problem's `type` points at: every code with its status and advice, made once from the catalogue.
import { PROBLEMS, type ProblemCode } from '../core/problem.ts'
import { ADVICE } from '../core/problem-advice.ts'
import { type Api, route } from './route.ts'

export const PROBLEMS_PATH = '/docs/problems'

const STYLE = `
:root { color-scheme: light dark }
body { max-width: 44rem; margin: 0 auto; padding: 2rem 1.25rem; font: 16px/1.5 system-ui, sans-serif }
h1 { line-height: 1.1 }
section { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: 0.25rem 0.75rem }
section:target { background: color-mix(in srgb, currentColor 8%, transparent) }
h2 { margin: 0.75rem 0 0; font-size: 1.1rem }
h2 a { color: inherit; text-decoration: none }
p { margin: 0.25rem 0 0.75rem }
code { font: 0.9em ui-monospace, monospace }
`

const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'public, max-age=3600',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

const html = (text: string) =>
  text
    .replace(/[&<>"]/g, (character) => ESCAPES[character]!)
    .replace(/`([^`]+)`/g, '<code>$1</code>')

const section = ([code, { status, title }]: [string, { status: number; title: string }]) => `
<section id="${code}">
<h2><a href="#${code}"><code>${code}</code></a> · ${status}</h2>
<p><strong>${html(title)}.</strong> ${html(ADVICE[code as ProblemCode])}</p>
</section>`

const page = () => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Problems · Countersign</title>
<style>${STYLE}</style>
<h1>Problems</h1>
<p>Errors are <code>application/problem+json</code> (RFC 9457). <code>code</code> is permanent, <code>detail</code> says what to
do in this very case, <code>instance</code> is the request.</p>
${Object.entries(PROBLEMS).map(section).join('')}
</html>
`

export function problemsPage(api: Api): void {
  let made: string | undefined
  route(api, {
    method: 'get',
    path: PROBLEMS_PATH,
    credentials: 'none',
    undocumented: true,
    handle(c) {
      made ??= page()
      return c.body(made, 200, HEADERS)
    },
  })
}
