// Reads the code blocks of a page in docs/, so that the tests run exactly what the page shows.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

export interface Block {
  /** Everything after the three backticks: `sh`, `sh account`. */
  kind: string
  text: string
}

export async function codeBlocks(page: string): Promise<Block[]> {
  const path = fileURLToPath(new URL(`../../docs/${page}`, import.meta.url))
  const text = await readFile(path, 'utf8')
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, kind, body]) => ({
    kind: kind!,
    text: body!,
  }))
}

/** The block whose first line is `// name`. */
export async function exampleNamed(page: string, name: string): Promise<string> {
  const found = (await codeBlocks(page)).find(({ text }) => text.startsWith(`// ${name}\n`))
  if (!found) throw new Error(`docs/${page} shows no ${name}`)
  return found.text
}
