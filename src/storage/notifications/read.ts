// What the sources have in common: strict reading of untrusted JSON, and the rules by which keys are encoded.
import { digestHex, fromUtf8, isStorable } from '../../bytes/encoding.ts'
import type { ObjectHint } from '../../core/ports/notifications.ts'

/** The longest key of any store, in UTF-16 units. */
const MAX_KEY_LENGTH = 1024
const MAX_ID_LENGTH = 128
/** More than any sender puts into one request. The sweep finds the rest. */
const MAX_HINTS = 100

/** Undefined unless the bytes are JSON in UTF-8. */
export function parseJson(body: Uint8Array | string): unknown {
  try {
    return JSON.parse(typeof body === 'string' ? body : fromUtf8(body))
  } catch {
    return undefined
  }
}

/** A member of a JSON object; undefined for any other value. */
export const member = (value: unknown, ...path: readonly string[]): unknown =>
  path.reduce<unknown>(
    (inner, name) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, name)
        ? (inner as Record<string, unknown>)[name]
        : undefined,
    value,
  )

/** A member that is a text, and that a database can store. */
export function textIn(value: unknown, ...path: readonly string[]): string | undefined {
  const found = member(value, ...path)
  return typeof found === 'string' && isStorable(found) ? found : undefined
}

export const listIn = (value: unknown, ...path: readonly string[]): readonly unknown[] => {
  const found = member(value, ...path)
  return Array.isArray(found) ? found.slice(0, MAX_HINTS) : []
}

/** Form encoding, decoded once: a space arrives as `+`, a plus as `%2B`. Undefined if it is malformed. */
export function formDecoded(key: string): string | undefined {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

const isKey = (key: string | undefined): key is string =>
  key !== undefined && key !== '' && key.length <= MAX_KEY_LENGTH && isStorable(key)

/** A hint with those of the keys that can be one, and an id of bounded length. Undefined without a key. */
export async function hintOf(
  hint: Omit<ObjectHint, 'keys' | 'id'> & { keys: ReadonlyArray<string | undefined>; id: string },
): Promise<ObjectHint | undefined> {
  const keys = [...new Set(hint.keys.filter(isKey))]
  if (!keys.length) return undefined
  const id = hint.id.length <= MAX_ID_LENGTH ? hint.id : await digestHex(hint.id)
  return { ...hint, keys, id }
}

export const present = <Value>(values: ReadonlyArray<Value | undefined>): Value[] =>
  values.filter((value) => value !== undefined)
