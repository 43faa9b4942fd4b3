// Writes docs/problems.md from the catalogue, docs/configuration.md from the environment's schema, and the code in
// docs/clients.md from the programs that the tests run. `--check` compares instead, and fails if a page is out of date.
import { readFile, writeFile } from 'node:fs/promises'
import { VARIABLES } from '../dist/config.js'
import { PROBLEMS } from '../dist/core/problem.js'
import { ADVICE } from '../dist/core/problem-advice.js'
import { productOf, S3_PRODUCT_NAMES } from '../dist/storage/s3/products.js'

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const pages = {
  'docs/problems.md': `# Problems

Errors are \`application/problem+json\` (RFC 9457). \`code\` is permanent; \`detail\` says what to do; \`instance\` is the request.
A running service has this page at \`/docs/problems\`, where the \`type\` of each problem points.

${table(
  ['code', 'status', 'meaning', 'what to do'],
  Object.entries(PROBLEMS).map(([code, { status, title }]) => [
    `<a id="${code}"></a>\`${code}\``,
    status,
    title,
    ADVICE[code],
  ]),
)}
`,
  'docs/configuration.md': `# Configuration

The same names on Node (environment) and Workers (variables and secrets). All faults are reported together at the start.
A variable that is no setting, but within two letters of one that is not set (\`STORE_DIALET\`), is refused as well.

${table(
  ['variable', 'meaning'],
  VARIABLES.map(({ name, description }) => [`\`${name}\``, description]),
)}

**Embedded mode** is the embedded store on a loopback \`HOST\`, whichever database: only then absent keys are generated into
\`DATA_DIR\`, the app \`demo\` is made, and private webhook targets are allowed. Anywhere else a start without keys names each.
`,
}

/** The lines between the comments `snippet: NAME` and `end`, without their common indentation. */
async function snippet(path, name) {
  const lines = (await readFile(path, 'utf8')).split('\n')
  const from = lines.findIndex((line) => line.trim().endsWith(`snippet: ${name}`))
  const to = lines.findIndex((line, index) => index > from && /^\s*(\/\/|#) end$/.test(line))
  if (from < 0 || to < 0) throw new Error(`${path} has no snippet ${name}`)
  const found = lines.slice(from + 1, to)
  const indent = Math.min(...found.filter(Boolean).map((line) => /^\s*/.exec(line)[0].length))
  return found
    .map((line) => line.slice(indent))
    .join('\n')
    .trim()
}

/** Fills the code blocks of a page. `<!-- snippet PATH NAME … -->` before each says where it comes from. */
async function withSnippets(page) {
  const blocks = [...page.matchAll(/<!-- snippet (\S+) ([^>]+) -->\n```(\w+)\n.*?```/gs)]
  if (page.match(/^```\w+$/gm).length !== blocks.length) {
    throw new Error('A code block of docs/clients.md does not say which tested file it comes from.')
  }
  let filled = page
  for (const [block, path, names, language] of blocks) {
    const code = await Promise.all(names.split(' ').map((name) => snippet(path, name)))
    const shown = `<!-- snippet ${path} ${names} -->\n\`\`\`${language}\n${code.join('\n\n')}\n\`\`\``
    filled = filled.replace(block, () => shown)
  }
  return filled
}

pages['docs/clients.md'] = await withSnippets(await readFile('docs/clients.md', 'utf8'))

const UNITS = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
]

/** In the largest unit that leaves at most three decimals. */
function bytes(count) {
  const unit = UNITS.find(([, size]) => count >= size && Number.isInteger((count * 1000) / size))
  return unit ? `${count / unit[1]} ${unit[0]}` : `${count.toLocaleString('en')} bytes`
}

const yes = (value) => (value ? 'yes' : 'no')

function productTable() {
  const rows = S3_PRODUCT_NAMES.map((name) => {
    const product = productOf(name)
    const { limits } = product
    return [
      `\`${name}\`: ${product.title}`,
      `${bytes(limits.minPartSizeBytes)} to ${bytes(limits.maxPartSizeBytes)}${product.equalParts ? ', all but the last equal' : ''}`,
      bytes(limits.maxObjectSizeBytes),
      product.addressing,
      product.region ? `\`${product.region}\`` : 'to be set',
      product.endpoint ? 'its own' : 'to be set',
      yes(product.createOnlyPut),
      yes(product.createOnlyComplete),
      yes(product.showsChecksums),
      yes(product.listsUploadsByPrefix),
      product.cleanupDays ? `${product.cleanupDays} d` : 'none',
    ]
  })
  return table(
    [
      '`STORE_PRODUCT`',
      'part size',
      'largest object',
      'bucket in',
      'region',
      'endpoint',
      'create-only single PUT',
      'create-only completion',
      'HEAD shows checksums',
      'lists uploads by prefix',
      'ends unfinished uploads after',
    ],
    rows,
  )
}

const MARK = /(<!-- generated: products of S3 -->\n).*?(<!-- end -->)/s
const storagePage = await readFile('docs/storage.md', 'utf8')
if (!MARK.test(storagePage))
  throw new Error('docs/storage.md has no place for the table of products')
pages['docs/storage.md'] = storagePage.replace(
  MARK,
  (_, from, to) => `${from}${productTable()}\n${to}`,
)

let stale = false
for (const [path, content] of Object.entries(pages)) {
  if (!process.argv.includes('--check')) {
    await writeFile(path, content)
  } else if ((await readFile(path, 'utf8').catch(() => '')) !== content) {
    console.error(`${path} is not up to date: run \`npm run docs\``)
    stale = true
  }
}
process.exitCode = stale ? 1 : 0
