// Reads every statement that the service sent in a run (pg_stat_statements) and finds those that leave the tenant: each
// query level that names a tenant table must compare its app_id. Two statements may ask over all apps, no more.
import type postgres from 'postgres'

/** `apps` lists the tenants. Every other table belongs to a tenant. */
const NOT_A_TENANTS = ['apps']

/** Each is recognised by a text that only it has. docs/decisions/0003-tenants.md says why there are two. */
const OVER_ALL_APPS: Record<string, RegExp> = {
  'which apps have due work': /^select \* from \(\s*select a\.app_id,[^;]* from apps a\) work\s/i,
  'which issuer is meant': /^select .* from "issuers" where \("issuers"\."issuer" = \$\d+ and /is,
}

const QUERY = /^\s*(with|select|insert|update|delete|merge)\b/i

/**
 * Splits a statement into its query levels: each is the text between a query's parentheses, without the levels inside it.
 * Parentheses without a query stay part of their level.
 */
export function levelsOf(statement: string): Array<{ text: string }> {
  const levels: Array<{ text: string }> = []
  const open: Array<{ text: string; isQuery: boolean }> = [{ text: '', isQuery: true }]
  const append = (text: string) => {
    open.at(-1)!.text += text
  }
  // Strings and quoted names are one token, because parentheses inside them do not count.
  const tokens = statement.match(/'(?:[^']|'')*'|"[^"]*"|\(|\)|[^()'"]+/g) ?? []
  for (const [index, token] of tokens.entries()) {
    if (token === '(') {
      open.push({ text: '', isQuery: QUERY.test(tokens[index + 1] ?? '') })
    } else if (token === ')' && open.length > 1) {
      const { text, isQuery } = open.pop()!
      if (isQuery) levels.push({ text })
      append(isQuery ? ' (…) ' : `(${text})`)
    } else {
      append(token)
    }
  }
  levels.push({ text: open[0]!.text })
  return levels
}

/** Compares with a parameter or another table's column. A literal does not count as a tenant. */
const APP_ID = /(?<!\w)"?app_id"?\s*=\s*(?:\$\d+|"?\w+"?\."?app_id\b)/gi
const TABLE = /\b(?:from|join|update|using|,)\s+(?:only\s+)?"?(\w+)\b(?!"?\.)"?/gi
const INSERT = /\binsert\s+into\s+"?(\w+)"?\s*(\([^)]*\))?/i

/** The tenant tables that some level of the statement reaches without the tenant. */
function tablesWithoutTenant(statement: string, tenantTables: readonly string[]): string[] {
  const reached = levelsOf(statement).flatMap(({ text }) => {
    const code = text.replaceAll(/'(?:[^']|'')*'/g, "''")
    const inserted = INSERT.exec(code)
    const read = inserted ? code.replace(inserted[0], ' ') : code
    const tables = [...read.matchAll(TABLE)]
      .map(([, name]) => name!)
      .filter((name) => tenantTables.includes(name))
    // A join of two tenant tables needs two comparisons.
    const compared = [...read.matchAll(APP_ID)].length
    const strayInsert = inserted && !/\bapp_id\b/.test(inserted[2] ?? '') ? [inserted[1]!] : []
    return [...(compared < tables.length ? tables : []), ...strayInsert]
  })
  return [...new Set(reached)].filter((name) => tenantTables.includes(name))
}

const isAllowed = (statement: string) =>
  Object.values(OVER_ALL_APPS).some((pattern) => pattern.test(statement.trim()))

/** Those of the statements that leave the tenant, each with the tables it leaves it on. */
export function strayStatements(
  statements: readonly string[],
  tables: readonly string[],
): Array<{ statement: string; tables: string[] }> {
  const tenantTables = tables.filter((name) => !NOT_A_TENANTS.includes(name))
  return statements
    .filter((statement) => QUERY.test(statement) && !isAllowed(statement))
    .map((statement) => ({ statement, tables: tablesWithoutTenant(statement, tenantTables) }))
    .filter((found) => found.tables.length)
}

/** Starts recording what the role sends. Throws if the server was not started for it. */
export async function beginNoting(sql: postgres.Sql): Promise<void> {
  const [setting] = await sql`select current_setting('shared_preload_libraries') as libraries`
  if (!setting?.libraries.includes('pg_stat_statements')) {
    throw new Error(
      'The tests read what was sent to the database: start that server with ' +
        '-c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.max=20000',
    )
  }
  await sql`create extension if not exists pg_stat_statements`
}

/** Returns what the role has sent. Throws if the server has dropped some of it. */
export async function notedStatements(sql: postgres.Sql, role: string): Promise<string[]> {
  const [info] = await sql`select dealloc::int as forgotten from pg_stat_statements_info`
  if (info?.forgotten) throw new Error('pg_stat_statements.max is too small: raise it')
  const rows = await sql`
    select distinct query from pg_stat_statements(true) s join pg_roles r on r.oid = s.userid
    where r.rolname = ${role}`
  return rows.map(({ query }) => query as string)
}
