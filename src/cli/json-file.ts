// Reads the JSON files that the service and this command line leave for each other.
import { readFile } from 'node:fs/promises'

/** Returns {} if the file cannot be read. Its content is trusted: this program wrote it. */
export async function readJson<Value>(path: string): Promise<Partial<Value>> {
  const text = await readFile(path, 'utf8').catch(() => '{}')
  return JSON.parse(text) as Partial<Value>
}
