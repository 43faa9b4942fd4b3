// The stores of the environment: one from the STORE_ variables, more from the JSON list in STORES.
import { z } from 'zod'
import { anyDialect, type StoreConfig, schemaOf } from '../storage/settings.ts'
import { inWords, type Variables } from './faults.ts'

const upperSnake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
const variableOf = (setting: string) => `STORE_${upperSnake(setting)}`

/** The name of the store that the variables describe is always "default". */
const VARIABLES = Object.entries<z.ZodType>(anyDialect.shape)
  .filter(([setting]) => setting !== 'name')
  .map(([setting, schema]) => ({ setting, schema, variable: variableOf(setting) }))

export const STORE_VARIABLES = [
  ...VARIABLES.map(({ variable, schema }) => ({
    name: variable,
    description: schema.description ?? '',
  })),
  { name: 'STORES', description: 'JSON array of further stores, the same in camelCase plus name' },
]

/** The value that JSON would have. Other text stays text, so that its fault names the variable. */
function fromText(schema: z.ZodType, text: string): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) {
    return fromText(schema.unwrap() as z.ZodType, text)
  }
  if (schema.type === 'number') return Number(text)
  if (schema.type === 'array') return jsonArray(text) ?? text
  return schema.type === 'boolean' && /^(true|false)$/.test(text) ? text === 'true' : text
}

/** The settings that the variables give. Empty variables are not among them. */
const settingsIn = (variables: Variables): Record<string, unknown> =>
  Object.fromEntries(
    VARIABLES.flatMap(({ setting, schema, variable }) => {
      const text = variables[variable]
      return text === undefined ? [] : [[setting, fromText(schema, text)]]
    }),
  )

/** `faults` has every fault of every store, named by its variable. */
export function parseStores(variables: Variables): { stores: StoreConfig[]; faults: string[] } {
  const faults: string[] = []
  const stores: StoreConfig[] = []
  function add(store: unknown, otherwise: z.ZodType, nameOf: (path: PropertyKey[]) => string) {
    const { dialect } = Object(store) as { dialect?: unknown }
    const schema = schemaOf(dialect)
    const parsed = (schema ?? otherwise).safeParse(store, { error: inWords })
    for (const { path, message } of parsed.error?.issues ?? []) {
      faults.push(`${nameOf(path)}: ${message}`)
    }
    if (schema && parsed.success) stores.push(parsed.data as StoreConfig)
  }

  // Without STORE_DIALECT there is no such store, but any other setting must be valid all the same.
  const settings = settingsIn(variables)
  if (settings.dialect) settings.name = 'default'
  add(settings, anyDialect.partial(), ([setting = 'dialect']) => variableOf(String(setting)))
  const list = jsonArray(variables.STORES ?? '[]')
  if (!list) faults.push('STORES: must be a JSON array of stores')
  for (const [index, store] of (list ?? []).entries()) {
    add(store, anyDialect, (path) => [`STORES[${index}]`, ...path].join('.'))
  }
  return { stores, faults }
}

function jsonArray(text: string): unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
