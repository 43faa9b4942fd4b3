// Shared by the listings: their numeric parameters, and how keys fold into common prefixes.
import { invalidArgument } from './refusal.ts'
import type { WireQuery } from './wire.ts'

/** One line of a listing: an item, or the common prefix of several (then without an item). */
export interface Entry<Item> {
  key: string
  item?: Item
}

/** Selects the items under `prefix`. Keys that contain `delimiter` after it fold into their common prefix. */
export function groupByPrefix<Item extends { key: string }>(
  items: readonly Item[],
  prefix: string,
  delimiter: string,
): Entry<Item>[] {
  const entries: Entry<Item>[] = []
  const common = new Set<string>()
  for (const item of items) {
    const { key } = item
    if (!key.startsWith(prefix)) continue
    const at = delimiter ? key.indexOf(delimiter, prefix.length) : -1
    if (at < 0) entries.push({ key, item })
    else common.add(key.slice(0, at + delimiter.length))
  }
  return [...entries, ...[...common].map((key) => ({ key }))]
}

/** Compares the UTF-8 bytes, as OSS sorts keys. */
export const compareBytes = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b))

/** Throws InvalidArgument. */
export function readCount(
  query: WireQuery,
  name: string,
  usual: number,
  { min, max }: { min: number; max: number },
): number {
  const text = query.get(name)
  if (text === undefined || text === '') return usual
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1
  if (value >= min && value <= max) return value
  throw invalidArgument(name, text, `${name} must be an integer between ${min} and ${max}.`)
}
