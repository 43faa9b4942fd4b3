// Some test must assert every vector. A file that no test reads, or a list that none goes through, fails here.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const TEST = fileURLToPath(new URL('..', import.meta.url))
const VECTORS = join(TEST, 'vectors')

const tests = readdirSync(TEST, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts') && !name.endsWith('vectors.test.ts'))
  .map((name) => readFileSync(join(TEST, name), 'utf8'))

/** Descriptions of vectors, which no test asserts. */
const REMARKS = ['source', 'sources']

interface List {
  /** `regions`, or `pub_key_url_cases.cases`. */
  path: string
  entries: unknown[]
}

/** Every list of the document that is not inside another list. */
function listsIn(value: unknown, path: string[] = []): List[] {
  if (Array.isArray(value)) return [{ path: path.join('.'), entries: value }]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value)
    .filter(([name]) => !REMARKS.includes(name))
    .flatMap(([name, inner]) => listsIn(inner, [...path, name]))
}

/** What a test calls the vector, or the group of vectors. */
const nameOf = (entry: unknown): string | undefined => {
  const { id, group } = entry as { id?: string; group?: string }
  return id ?? group
}

/** The tests that import this file, and the name they import it as. */
const readers = (file: string) =>
  tests.flatMap((text) => {
    const name = new RegExp(`import (\\w+) from '[./]+/vectors/${file}'`).exec(text)?.[1]
    return name ? [{ text, name }] : []
  })

/** True if a test goes through the whole list with `each` or `for`, or compares it as a whole. */
function goesThrough(text: string, name: string, path: string): boolean {
  const list = `${name}\\.${path.replaceAll('.', '\\.')}`
  // `const keys = vectors.public_keys` gives a part of the document another name.
  const aliases = [...text.matchAll(new RegExp(`const (\\w+) = ${name}\\.(\\w+)\\b`, 'g'))]
    .filter(([, , part]) => path === part || path.startsWith(`${part}.`))
    .map(([, alias, part]) => `${alias}${path.slice(part!.length).replaceAll('.', '\\.')}`)
  const either = `(${[list, ...aliases].join('|')})`
  const typed = '(( as unknown)? as \\w+\\[\\])?'
  return new RegExp(
    `(\\.each\\(\\s*${either}${typed},?\\s*\\))|( of ${either}\\b)|(toEqual\\(${either}\\))`,
  ).test(text)
}

// The cases of s3-events.json are picked by name, because those of other senders come through the source `generic`.
const files = readdirSync(VECTORS).filter((name) => /^(oss|s3)-(?!events)/.test(name))

describe.each(files)('%s', (file) => {
  const document: unknown = JSON.parse(readFileSync(join(VECTORS, file), 'utf8'))
  const found = readers(file)

  it('is read by a test', () => {
    expect(found.length).toBeGreaterThan(0)
  })

  it.each(listsIn(document))('$path', ({ path, entries }) => {
    if (found.some(({ text, name }) => goesThrough(text, name, path))) return
    const named = (entry: unknown) => {
      const id = nameOf(entry) ?? String(entry)
      return found.some(({ text }) => text.includes(`'${id}'`))
    }
    const silent = entries.filter((entry) => !named(entry))
    expect(silent.map((entry) => nameOf(entry) ?? entry)).toEqual([])
  })
})
